using ChatGLM.Tensors;

namespace ChatGLM.Models;

/// <summary>The loss of a language model: each position predicts the next token.</summary>
internal static class CausalLoss
{
    private const int IgnoreIndex = -100;

    /// <summary>Checks labels [batch, seq] against ids of the same shape and shifts them: what each position is to predict, [batch, virtual + seq]. To be called before the pass, which is the
    /// expensive part.</summary>
    /// <param name="labels">int64 [batch, seq].</param>
    /// <param name="ids">int64 [batch, seq].</param>
    /// <param name="vocabulary">The number of token ids.</param>
    /// <param name="virtualTokens">The virtual tokens before each row, which have no label; the last of them predicts the first token.</param>
    public static long[] NextTokens(Tensor labels, Tensor ids, int vocabulary, int virtualTokens)
    {
        if (labels.DType != DType.Int64 || labels.Shape != ids.Shape)
            throw new ModelInputException(nameof(ModelInputs.Labels), $"expected int64 {ids.Shape}, found {labels.DType} {labels.Shape}.");
        // Shifting the labels instead of the scores spares a copy of the scores; the last position predicts nothing.
        var given = labels.ToArray<long>();
        var seq = ids.Shape.Rank == 2 ? ids.Shape[1] : 1; // ids of any other rank are refused by the pass
        var length = virtualTokens + seq;
        var next = new long[given.Length / Math.Max(seq, 1) * (long)length];
        for (var i = 0; i < next.Length; i++)
        {
            var at = (i % length) + 1 - virtualTokens;
            next[i] = at < 0 || at >= seq ? IgnoreIndex : given[(i / length * seq) + at];
            if (next[i] != IgnoreIndex && (next[i] < 0 || next[i] >= vocabulary))
                throw new ModelInputException(nameof(ModelInputs.Labels), $"a label is {next[i]}, expected 0 to {vocabulary - 1}, or {IgnoreIndex} to ignore the position.");
        }

        return next;
    }

    /// <summary>The same loss from hidden states [batch, seq, hidden] and the output layer, without ever holding all scores. An output layer with an adapter scores everything.</summary>
    public static Tensor Compute(Tensor hidden, Linear head, long[] nextTokens)
    {
        using var scope = new TensorScope();
        if (head.GetType() != typeof(Linear) || head.Bias is not null)
            return scope.Keep(Compute(head.Forward(hidden), nextTokens));
        return scope.Keep(Functional.LinearCrossEntropy(hidden.Reshape(nextTokens.Length, hidden.Shape[2]), head.Weight, Tensor.From(nextTokens, [nextTokens.Length], hidden.Backend), IgnoreIndex));
    }

    /// <summary>The mean cross entropy of logits [batch, seq, vocabulary] against the tokens that they should predict.</summary>
    public static Tensor Compute(Tensor logits, long[] nextTokens)
    {
        using var scope = new TensorScope();
        return scope.Keep(Functional.CrossEntropy(logits.Reshape(nextTokens.Length, logits.Shape[2]), Tensor.From(nextTokens, [nextTokens.Length], logits.Backend), IgnoreIndex));
    }
}
