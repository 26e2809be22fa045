using ChatGLM.Tensors;

namespace ChatGLM.Models;

/// <summary>
/// Learned numbers that stand before the tokens of every row where words would (a soft prompt). A model runs behind one when it is set as <see cref="PreTrainedModel.SoftPrompt"/>. It is
/// either a <see cref="KeyValuePrompt"/> or an <see cref="EmbeddingPrompt"/>: derive from one of these.
/// </summary>
public abstract class SoftPrompt : Module
{
    private protected SoftPrompt(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(length);
        Length = length;
    }

    /// <summary>The virtual tokens.</summary>
    public int Length { get; }
}
