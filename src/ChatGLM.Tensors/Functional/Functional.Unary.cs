namespace ChatGLM.Tensors;

public static partial class Functional
{
    /// <summary>GELU in its tanh form: 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x³))), as ChatGLM-6B has it.</summary>
    /// <param name="x">float32, of any shape.</param>
    public static Tensor Gelu(Tensor x) => Unary(nameof(Gelu), UnaryOp.GeluTanh, x);

    /// <summary>x / (1 + e^-x).</summary>
    /// <inheritdoc cref="Gelu"/>
    public static Tensor Silu(Tensor x) => Unary(nameof(Silu), UnaryOp.Silu, x);

    /// <summary>The hyperbolic tangent.</summary>
    /// <inheritdoc cref="Gelu"/>
    public static Tensor Tanh(Tensor x) => Unary(nameof(Tanh), UnaryOp.Tanh, x);

    /// <summary>1 / (1 + e^-x).</summary>
    /// <inheritdoc cref="Gelu"/>
    public static Tensor Sigmoid(Tensor x) => Unary(nameof(Sigmoid), UnaryOp.Sigmoid, x);

    /// <summary>max(x, 0).</summary>
    /// <inheritdoc cref="Gelu"/>
    public static Tensor Relu(Tensor x) => Unary(nameof(Relu), UnaryOp.Relu, x);

    /// <summary>log(1 + e^x).</summary>
    /// <inheritdoc cref="Gelu"/>
    public static Tensor Softplus(Tensor x) => Unary(nameof(Softplus), UnaryOp.Softplus, x);

    /// <summary>e^x.</summary>
    /// <inheritdoc cref="Gelu"/>
    public static Tensor Exp(Tensor x) => Unary(nameof(Exp), UnaryOp.Exp, x);

    /// <summary>The natural logarithm.</summary>
    /// <inheritdoc cref="Gelu"/>
    public static Tensor Log(Tensor x) => Unary(nameof(Log), UnaryOp.Log, x);

    /// <summary>The square root.</summary>
    /// <inheritdoc cref="Gelu"/>
    public static Tensor Sqrt(Tensor x) => Unary(nameof(Sqrt), UnaryOp.Sqrt, x);

    /// <summary>x².</summary>
    /// <inheritdoc cref="Gelu"/>
    public static Tensor Square(Tensor x) => Unary(nameof(Square), UnaryOp.Square, x);

    private static Tensor Unary(string operation, UnaryOp op, Tensor x)
    {
        Require.Float32(operation, "x", x);
        var y = x.Backend.Unary(op, x);
        return GradFunction.Records(x) ? new UnaryFunction(op, x).Attach(y) : y;
    }

    private sealed class UnaryFunction : GradFunction
    {
        private readonly UnaryOp _op;
        private readonly Tensor _x;

        public UnaryFunction(UnaryOp op, Tensor x)
            : base(x)
        {
            _op = op;
            _x = Save(x);
        }

        protected internal override void Backward(ReadOnlySpan<Tensor?> gradOutputs, GradSink sink) =>
            sink.Add(0, _x.Backend.UnaryBackward(_op, gradOutputs[0]!, _x));
    }
}
