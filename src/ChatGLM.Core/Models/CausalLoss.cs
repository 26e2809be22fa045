using ChatGLM.Tensors;

namespace ChatGLM.Models;

/// <summary>The loss of a language model: each position predicts the next token.</summary>
internal static class CausalLoss
{
    private const int IgnoreIndex = -100;

    /// <summary>The mean cross entropy of logits [batch, seq, vocabulary] against labels [batch, seq] shifted by one.</summary>
    public static Tensor Compute(Tensor logits, Tensor labels)
    {
        var (batch, seq, vocabulary) = (logits.Shape[0], logits.Shape[1], logits.Shape[2]);
        if (labels.DType != DType.Int64 || labels.Shape != new Shape(batch, seq))
            throw new ModelInputException(nameof(ModelInputs.Labels), $"expected int64 [{batch}, {seq}], found {labels.DType} {labels.Shape}.");
        // Shifting the labels instead of the scores spares a copy of the scores; the last position predicts nothing.
        var given = labels.ToArray<long>();
        var next = new long[given.Length];
        for (var i = 0; i < next.Length; i++)
        {
            next[i] = i % seq == seq - 1 ? IgnoreIndex : given[i + 1];
            if (next[i] != IgnoreIndex && (next[i] < 0 || next[i] >= vocabulary))
                throw new ModelInputException(nameof(ModelInputs.Labels), $"a label is {next[i]}, expected 0 to {vocabulary - 1}, or {IgnoreIndex} to ignore the position.");
        }

        using var scope = new TensorScope();
        return scope.Keep(Functional.CrossEntropy(logits.Reshape(batch * seq, vocabulary), Tensor.From(next, [batch * seq], logits.Backend), IgnoreIndex));
    }
}
