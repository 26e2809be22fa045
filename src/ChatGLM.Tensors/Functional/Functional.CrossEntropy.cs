namespace ChatGLM.Tensors;

public static partial class Functional
{
    /// <summary>The mean cross entropy (<c>torch.nn.functional.cross_entropy</c>) over the rows whose label is not <paramref name="ignoreIndex"/>.</summary>
    /// <param name="logits">float32 [rows, classes].</param>
    /// <param name="labels">int64 [rows].</param>
    /// <param name="ignoreIndex">The label of a row that does not count.</param>
    /// <param name="labelSmoothing">The part of the target that is spread over all classes, 0 to 1.</param>
    /// <returns>A single number; NaN if no row counts.</returns>
    /// <exception cref="TensorException">A label is not a class, or a shape or type does not fit.</exception>
    public static Tensor CrossEntropy(Tensor logits, Tensor labels, int ignoreIndex = -100, float labelSmoothing = 0)
    {
        Require.Float32(nameof(CrossEntropy), "logits", logits);
        Require.Rank(nameof(CrossEntropy), "logits", logits, 2, "[rows, classes]");
        Require.ElementType(nameof(CrossEntropy), "labels", labels, DType.Int64);
        Require.Shape(nameof(CrossEntropy), "labels", labels, [logits.Shape[0]]);
        Require.SameBackend(nameof(CrossEntropy), logits, labels);
        if (labelSmoothing is not (>= 0 and <= 1))
            throw new TensorException(nameof(CrossEntropy), $"labelSmoothing: expected 0 to 1, found {labelSmoothing}.");
        if (!GradFunction.Records(logits))
            return logits.Backend.CrossEntropy(logits, labels, ignoreIndex, labelSmoothing, logSumExp: null);
        using var logSumExp = Tensor.Empty([logits.Shape[0]], DType.Float32, logits.Backend);
        var loss = logits.Backend.CrossEntropy(logits, labels, ignoreIndex, labelSmoothing, logSumExp);
        return new CrossEntropyFunction(logits, labels, ignoreIndex, labelSmoothing, logSumExp).Attach(loss);
    }

    private sealed class CrossEntropyFunction : GradFunction
    {
        private readonly Tensor _logits;
        private readonly Tensor _labels;
        private readonly Tensor _logSumExp;
        private readonly int _ignoreIndex;
        private readonly float _labelSmoothing;

        public CrossEntropyFunction(Tensor logits, Tensor labels, int ignoreIndex, float labelSmoothing, Tensor logSumExp)
            : base(logits)
        {
            (_logits, _labels, _logSumExp) = (Save(logits), Save(labels), Save(logSumExp));
            (_ignoreIndex, _labelSmoothing) = (ignoreIndex, labelSmoothing);
        }

        protected internal override void Backward(ReadOnlySpan<Tensor?> gradOutputs, GradSink sink) =>
            sink.Add(0, _logits.Backend.CrossEntropyBackward(gradOutputs[0]!, _logits, _labels, _ignoreIndex, _labelSmoothing, _logSumExp));
    }
}
