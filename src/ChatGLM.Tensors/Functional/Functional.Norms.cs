namespace ChatGLM.Tensors;

public static partial class Functional
{
    /// <summary>Normalises the innermost axis to mean 0 and variance 1, then scales and shifts (<c>torch.nn.functional.layer_norm</c>).</summary>
    /// <param name="x">float32 [..., width].</param>
    /// <param name="weight">[width], of any floating-point type.</param>
    /// <param name="bias">[width], of any floating-point type.</param>
    /// <param name="epsilon">Added to the variance.</param>
    public static Tensor LayerNorm(Tensor x, Tensor weight, Tensor bias, float epsilon)
    {
        RequireNorm(nameof(LayerNorm), x, weight, "weight");
        RequireNorm(nameof(LayerNorm), x, bias, "bias");
        var y = x.Backend.LayerNorm(x, weight, bias, epsilon);
        return GradFunction.Records(x, weight, bias) ? new LayerNormFunction(x, weight, bias, epsilon).Attach(y) : y;
    }

    /// <summary>Divides the innermost axis by its root mean square, then scales (Zhang and Sennrich 2019).</summary>
    /// <param name="x">float32 [..., width].</param>
    /// <param name="weight">[width], of any floating-point type.</param>
    /// <param name="epsilon">Added to the mean square.</param>
    public static Tensor RmsNorm(Tensor x, Tensor weight, float epsilon)
    {
        RequireNorm(nameof(RmsNorm), x, weight, "weight");
        var y = x.Backend.RmsNorm(x, weight, epsilon);
        return GradFunction.Records(x, weight) ? new RmsNormFunction(x, weight, epsilon).Attach(y) : y;
    }

    private static void RequireNorm(string operation, Tensor x, Tensor parameter, string name)
    {
        Require.Float32(operation, "x", x);
        if (x.Shape.Rank == 0)
            throw new TensorException(operation, "x: expected [..., width], found a single number.");
        Require.FloatingPoint(operation, name, parameter);
        Require.Shape(operation, name, parameter, [x.Shape[^1]]);
        Require.SameBackend(operation, x, parameter);
    }

    private sealed class LayerNormFunction : GradFunction
    {
        private readonly Tensor _x;
        private readonly Tensor _weight;
        private readonly float _epsilon;

        public LayerNormFunction(Tensor x, Tensor weight, Tensor bias, float epsilon)
            : base(x, weight, bias)
        {
            _x = Save(x);
            _weight = Save(weight);
            _epsilon = epsilon;
        }

        protected internal override void Backward(ReadOnlySpan<Tensor?> gradOutputs, GradSink sink) => sink.Add(0, _x.Backend.LayerNormBackward(
            gradOutputs[0]!, _x, _weight, _epsilon, NeedsGrad(1) ? sink.Accumulator(1) : null, NeedsGrad(2) ? sink.Accumulator(2) : null));
    }

    private sealed class RmsNormFunction : GradFunction
    {
        private readonly Tensor _x;
        private readonly Tensor _weight;
        private readonly float _epsilon;

        public RmsNormFunction(Tensor x, Tensor weight, float epsilon)
            : base(x, weight)
        {
            _x = Save(x);
            _weight = Save(weight);
            _epsilon = epsilon;
        }

        protected internal override void Backward(ReadOnlySpan<Tensor?> gradOutputs, GradSink sink) => sink.Add(0, _x.Backend.RmsNormBackward(
            gradOutputs[0]!, _x, _weight, _epsilon, NeedsGrad(1) ? sink.Accumulator(1) : null));
    }
}
