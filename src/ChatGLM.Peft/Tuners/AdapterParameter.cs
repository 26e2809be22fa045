using ChatGLM.Tensors;

namespace ChatGLM.Peft.Tuners;

/// <summary>One parameter of an adapter in one layer. In the model it is called <c>lora_A.default.weight</c>, in a file <c>lora_A.weight</c>.</summary>
/// <param name="Kind">The part before the adapter's name.</param>
/// <param name="Suffix">The part after it, with its point, or nothing.</param>
/// <param name="Tensor">The numbers.</param>
internal readonly record struct AdapterParameter(string Kind, string Suffix, Tensor Tensor)
{
    public string FileKey => Kind + Suffix;

    public string NameFor(string adapter) => $"{Kind}.{adapter}{Suffix}";
}
