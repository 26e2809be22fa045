namespace ChatGLM.Quantization;

/// <summary>A model, or a layer of it, cannot be quantized as asked.</summary>
public sealed class QuantizationException : ChatGLMException
{
    internal QuantizationException(string what, string problem)
        : base($"{what}: {problem}")
    {
    }

    internal QuantizationException(string what, string problem, Exception cause)
        : base($"{what}: {problem}", cause)
    {
    }
}
