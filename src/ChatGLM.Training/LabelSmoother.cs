using ChatGLM.Tensors;

namespace ChatGLM.Training;

/// <summary>
/// The cross entropy against targets of which a part is spread over the whole vocabulary (transformers' <c>LabelSmoother</c>). Positions with the label
/// <paramref name="ignoreIndex"/> do not count.
/// </summary>
/// <param name="epsilon">The part that is spread, 0 to 1.</param>
/// <param name="ignoreIndex">The label that does not count.</param>
public sealed class LabelSmoother(double epsilon = 0.1, int ignoreIndex = -100)
{
    /// <summary>The part of a target that is spread over the vocabulary.</summary>
    public double Epsilon { get; } = epsilon is >= 0 and <= 1
        ? epsilon
        : throw new TrainingArgumentsException("label_smoothing_factor", $"expected 0 to 1, found {epsilon}.");

    /// <summary>The mean loss, recorded for a backward pass.</summary>
    /// <param name="logits">float32 [batch, seq, vocabulary].</param>
    /// <param name="labels">int64 [batch, seq].</param>
    /// <param name="shiftLabels">Whether position i predicts label i + 1, as a language model does.</param>
    public Tensor Compute(Tensor logits, Tensor labels, bool shiftLabels = true)
    {
        ArgumentNullException.ThrowIfNull(logits);
        ArgumentNullException.ThrowIfNull(labels);
        if (logits.Shape.Rank != 3 || labels.DType != DType.Int64 || labels.Shape != new Shape(logits.Shape[0], logits.Shape[1]))
            throw new TensorException(nameof(LabelSmoother), $"expected logits [batch, seq, vocabulary] and int64 labels [batch, seq], found {logits.Shape} and {labels.DType} {labels.Shape}.");
        var (batch, seq, vocabulary) = (logits.Shape[0], logits.Shape[1], logits.Shape[2]);
        var targets = labels.ToArray<long>();
        if (shiftLabels)
        {
            // Shifting the labels instead of the scores spares a copy of the scores; the last position predicts nothing.
            for (var row = 0; row < batch; row++)
            {
                var of = targets.AsSpan(row * seq, seq);
                of[1..].CopyTo(of);
                of[^1] = ignoreIndex;
            }
        }

        using var scope = new TensorScope();
        var flat = Tensor.From(targets, [batch * seq], logits.Backend);
        return scope.Keep(Functional.CrossEntropy(logits.Reshape(batch * seq, vocabulary), flat, ignoreIndex, (float)Epsilon));
    }
}
