using ChatGLM.Tensors;

namespace ChatGLM.Models;

/// <summary>
/// Embeddings of virtual tokens (prompt tuning, Lester et al. 2021; P-tuning, Liu et al. 2021). They run through the layers before the embedded tokens of a row: they take the first
/// positions, the tokens those after them, and the scores of a pass begin with theirs. A cache takes them once, with its first tokens.
/// </summary>
public abstract class EmbeddingPrompt : SoftPrompt
{
    /// <param name="length">The virtual tokens.</param>
    protected EmbeddingPrompt(int length)
        : base(length)
    {
    }

    /// <summary>The embeddings, float32 [batch, length, hidden]; or [1, length, hidden], which all rows share. Recorded for a backward pass.</summary>
    /// <param name="batch">The rows of the pass.</param>
    public abstract Tensor Forward(int batch);

    /// <summary>The embeddings before those of the tokens, [batch, length + seq, hidden].</summary>
    internal Tensor Before(Tensor embedded)
    {
        var (batch, hidden) = (embedded.Shape[0], embedded.Shape[2]);
        return Functional.Concat([PromptRows.Spread(this, Forward(batch), batch, hidden), embedded], 1);
    }
}
