using ChatGLM.Peft.Tuners;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.Ia3;

/// <summary>What an (IA)³ adapter has in one layer: a factor for each column of the input, [1, in], or for each of the result, [out, 1].</summary>
internal sealed class Ia3Adapter(Tensor vector, bool isFeedforward) : IAdapter
{
    /// <summary>Whether the input is rescaled, not the result.</summary>
    public bool IsFeedforward { get; } = isFeedforward;

    /// <summary>The factors as a row, [in] or [out].</summary>
    public Tensor Factors => Functional.Reshape(vector, [checked((int)vector.ElementCount)]);

    public IEnumerable<AdapterParameter> Parameters => [new AdapterParameter("ia3_l", "", vector)];
}
