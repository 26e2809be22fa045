namespace ChatGLM.Tensors;

public static partial class Functional
{
    /// <summary>x W^T + bias (<c>torch.nn.functional.linear</c>).</summary>
    /// <param name="x">float32 [..., in].</param>
    /// <param name="weight">[out, in] in any format; only a <see cref="DenseWeight"/> can be trained itself.</param>
    /// <param name="bias">[out], of any floating-point type, or null.</param>
    /// <returns>float32 [..., out].</returns>
    public static Tensor Linear(Tensor x, LinearWeight weight, Tensor? bias = null)
    {
        Require.Float32(nameof(Linear), "x", x);
        Require.Width(nameof(Linear), "x", x, weight.InFeatures);
        Require.SameBackend(nameof(Linear), x.Backend, weight.Backend);
        if (bias is not null)
        {
            Require.FloatingPoint(nameof(Linear), "bias", bias);
            Require.Shape(nameof(Linear), "bias", bias, [weight.OutFeatures]);
            Require.SameBackend(nameof(Linear), x, bias);
        }

        // A checkpointed part is first run without a tape, but it is training: what it gives must be what its second run gives.
        if (GradMode.IsOff)
            return x.Backend.LinearInference(x, weight, bias);
        var y = x.Backend.Linear(x, weight, bias);
        var matrix = (weight as DenseWeight)?.Tensor;
        return GradFunction.Records(x, matrix, bias) ? new LinearFunction(x, weight, matrix, bias).Attach(y) : y;
    }

    private sealed class LinearFunction : GradFunction
    {
        private readonly Tensor? _x;
        private readonly LinearWeight? _weight;
        private readonly Shape? _biasShape;

        public LinearFunction(Tensor x, LinearWeight weight, Tensor? matrix, Tensor? bias)
            : base(x, matrix, bias)
        {
            // The input is kept only for a weight that is trained, the weight only for an input that needs a gradient. A matrix may itself be the result of an
            // operation, and go with its scope: it is kept by a handle of our own.
            _x = NeedsGrad(1) ? Save(x) : null;
            if (NeedsGrad(0))
                _weight = matrix is null ? weight : new DenseWeight(Save(matrix));
            if (NeedsGrad(2))
                _biasShape = bias!.Shape;
        }

        protected internal override void Backward(ReadOnlySpan<Tensor?> gradOutputs, GradSink sink)
        {
            var dy = gradOutputs[0]!;
            if (_biasShape is { } shape)
                sink.Add(2, dy.Backend.SumTo(dy, shape));
            if (_x is not null)
                dy.Backend.LinearBackwardWeight(dy, _x, sink.Accumulator(1));
            if (_weight is not null)
                sink.Add(0, dy.Backend.LinearBackwardInput(dy, _weight));
        }
    }
}
