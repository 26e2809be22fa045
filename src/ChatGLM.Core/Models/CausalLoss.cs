using ChatGLM.Tensors;

namespace ChatGLM.Models;

/// <summary>The loss of a language model: each position predicts the next token.</summary>
internal static class CausalLoss
{
    private const int IgnoreIndex = -100;

    /// <summary>Checks labels [batch, seq] against ids of the same shape and shifts them: what each position is to predict. To be called before the pass, which is the expensive part.</summary>
    public static long[] NextTokens(Tensor labels, Tensor ids, int vocabulary)
    {
        if (labels.DType != DType.Int64 || labels.Shape != ids.Shape)
            throw new ModelInputException(nameof(ModelInputs.Labels), $"expected int64 {ids.Shape}, found {labels.DType} {labels.Shape}.");
        // Shifting the labels instead of the scores spares a copy of the scores; the last position predicts nothing.
        var given = labels.ToArray<long>();
        var next = new long[given.Length];
        var seq = ids.Shape.Rank == 2 ? ids.Shape[1] : 1; // ids of any other rank are refused by the pass
        for (var i = 0; i < next.Length; i++)
        {
            next[i] = i % seq == seq - 1 ? IgnoreIndex : given[i + 1];
            if (next[i] != IgnoreIndex && (next[i] < 0 || next[i] >= vocabulary))
                throw new ModelInputException(nameof(ModelInputs.Labels), $"a label is {next[i]}, expected 0 to {vocabulary - 1}, or {IgnoreIndex} to ignore the position.");
        }

        return next;
    }

    /// <summary>The mean cross entropy of logits [batch, seq, vocabulary] against the tokens that they should predict.</summary>
    public static Tensor Compute(Tensor logits, long[] nextTokens)
    {
        using var scope = new TensorScope();
        return scope.Keep(Functional.CrossEntropy(logits.Reshape(nextTokens.Length, logits.Shape[2]), Tensor.From(nextTokens, [nextTokens.Length], logits.Backend), IgnoreIndex));
    }
}
