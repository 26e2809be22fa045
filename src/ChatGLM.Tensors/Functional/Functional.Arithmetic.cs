namespace ChatGLM.Tensors;

public static partial class Functional
{
    /// <summary>a + scale * b.</summary>
    /// <param name="a">float32.</param>
    /// <param name="b">float32, of a's shape or its innermost axes: it is repeated along the outer ones.</param>
    /// <param name="scale">A factor of b.</param>
    public static Tensor Add(Tensor a, Tensor b, float scale = 1) => Add(nameof(Add), a, b, scale);

    /// <summary>a - b.</summary>
    /// <inheritdoc cref="Add(Tensor, Tensor, float)"/>
    public static Tensor Subtract(Tensor a, Tensor b) => Add(nameof(Subtract), a, b, -1);

    /// <summary>a * b.</summary>
    /// <inheritdoc cref="Add(Tensor, Tensor, float)"/>
    public static Tensor Multiply(Tensor a, Tensor b)
    {
        RequireOperands(nameof(Multiply), a, b);
        var y = a.Backend.Multiply(a, b);
        return GradFunction.Records(a, b) ? new MultiplyFunction(a, b).Attach(y) : y;
    }

    /// <summary>a / b.</summary>
    /// <inheritdoc cref="Add(Tensor, Tensor, float)"/>
    public static Tensor Divide(Tensor a, Tensor b)
    {
        RequireOperands(nameof(Divide), a, b);
        var y = a.Backend.Divide(a, b);
        return GradFunction.Records(a, b) ? new DivideFunction(a, b, y).Attach(y) : y;
    }

    /// <summary>scale * x + offset.</summary>
    /// <param name="x">float32.</param>
    /// <param name="scale">The factor.</param>
    /// <param name="offset">What is added.</param>
    public static Tensor Affine(Tensor x, float scale, float offset = 0)
    {
        Require.Float32(nameof(Affine), "x", x);
        var y = x.Backend.Affine(x, scale, offset);
        return GradFunction.Records(x) ? new AffineFunction(x, scale).Attach(y) : y;
    }

    private static Tensor Add(string operation, Tensor a, Tensor b, float scale)
    {
        RequireOperands(operation, a, b);
        var y = a.Backend.Add(a, b, scale);
        return GradFunction.Records(a, b) ? new AddFunction(a, b, scale).Attach(y) : y;
    }

    private static void RequireOperands(string operation, Tensor a, Tensor b)
    {
        Require.Float32(operation, "a", a);
        Require.Float32(operation, "b", b);
        Require.SameBackend(operation, a, b);
        Require.Suffix(operation, a, b);
    }

    /// <summary>The gradient of an operand that was repeated: the sum over its copies.</summary>
    private static Tensor SumCopies(Tensor gradient, in Shape shape) => gradient.Shape == shape ? gradient : gradient.Backend.SumTo(gradient, shape);

    private sealed class AddFunction(Tensor a, Tensor b, float scale) : GradFunction(a, b)
    {
        private readonly Shape _shapeB = b.Shape;

        protected internal override void Backward(ReadOnlySpan<Tensor?> gradOutputs, GradSink sink)
        {
            var dy = gradOutputs[0]!;
            sink.Add(0, dy);
            if (NeedsGrad(1))
                sink.Add(1, scale == 1 ? SumCopies(dy, _shapeB) : dy.Backend.Affine(SumCopies(dy, _shapeB), scale, 0));
        }
    }

    private sealed class MultiplyFunction : GradFunction
    {
        private readonly Tensor? _a;
        private readonly Tensor? _b;
        private readonly Shape _shapeB;

        public MultiplyFunction(Tensor a, Tensor b)
            : base(a, b)
        {
            _a = NeedsGrad(1) ? Save(a) : null;
            _b = NeedsGrad(0) ? Save(b) : null;
            _shapeB = b.Shape;
        }

        protected internal override void Backward(ReadOnlySpan<Tensor?> gradOutputs, GradSink sink)
        {
            var dy = gradOutputs[0]!;
            if (_b is not null)
                sink.Add(0, dy.Backend.Multiply(dy, _b));
            if (_a is not null)
                sink.Add(1, SumCopies(dy.Backend.Multiply(dy, _a), _shapeB));
        }
    }

    private sealed class DivideFunction : GradFunction
    {
        private readonly Tensor _b;
        private readonly Tensor? _y;

        public DivideFunction(Tensor a, Tensor b, Tensor y)
            : base(a, b)
        {
            _b = Save(b);
            _y = NeedsGrad(1) ? Save(y) : null;
        }

        protected internal override void Backward(ReadOnlySpan<Tensor?> gradOutputs, GradSink sink)
        {
            // d(a/b)/da = 1/b, d(a/b)/db = -(a/b)/b.
            var backend = _b.Backend;
            var da = backend.Divide(gradOutputs[0]!, _b);
            sink.Add(0, da);
            if (_y is not null)
                sink.Add(1, backend.Affine(SumCopies(backend.Multiply(da, _y), _b.Shape), -1, 0));
        }
    }

    private sealed class AffineFunction(Tensor x, float scale) : GradFunction(x)
    {
        protected internal override void Backward(ReadOnlySpan<Tensor?> gradOutputs, GradSink sink) =>
            sink.Add(0, scale == 1 ? gradOutputs[0]! : gradOutputs[0]!.Backend.Affine(gradOutputs[0]!, scale, 0));
    }
}
