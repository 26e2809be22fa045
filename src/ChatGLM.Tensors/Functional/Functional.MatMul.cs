namespace ChatGLM.Tensors;

public static partial class Functional
{
    /// <summary>The product of the last two axes, for each entry of the outer ones (<c>torch.matmul</c> without broadcasting).</summary>
    /// <param name="a">float32 [..., m, k], or [..., k, m] if transposed.</param>
    /// <param name="b">float32 [..., k, n], or [..., n, k] if transposed; the outer axes equal those of a.</param>
    /// <param name="transposeA">Whether a's last two axes are exchanged first.</param>
    /// <param name="transposeB">Whether b's last two axes are exchanged first.</param>
    /// <returns>float32 [..., m, n].</returns>
    public static Tensor MatMul(Tensor a, Tensor b, bool transposeA = false, bool transposeB = false)
    {
        Require.Float32(nameof(MatMul), "a", a);
        Require.Float32(nameof(MatMul), "b", b);
        Require.SameBackend(nameof(MatMul), a, b);
        var rank = a.Shape.Rank;
        if (rank < 2 || b.Shape.Rank != rank)
            throw new TensorException(nameof(MatMul), $"expected two tensors of the same two or more axes, found {a.Shape} and {b.Shape}.");
        if (b.Shape.With(rank - 2, a.Shape[^2]).With(rank - 1, a.Shape[^1]) != a.Shape)
            throw new TensorException(nameof(MatMul), $"expected equal outer axes, found {a.Shape} and {b.Shape}; there is no broadcasting here.");
        var (inner, other) = (a.Shape[transposeA ? rank - 2 : rank - 1], b.Shape[transposeB ? rank - 1 : rank - 2]);
        if (inner != other)
        {
            throw new TensorException(
                nameof(MatMul), $"the inner lengths differ: {inner} of {a.Shape}{(transposeA ? " transposed" : "")}, {other} of {b.Shape}{(transposeB ? " transposed" : "")}.");
        }

        var y = a.Backend.MatMul(a, b, transposeA, transposeB);
        return GradFunction.Records(a, b) ? new MatMulFunction(a, b, transposeA, transposeB).Attach(y) : y;
    }

    private sealed class MatMulFunction : GradFunction
    {
        private readonly Tensor? _a;
        private readonly Tensor? _b;
        private readonly bool _transposeA;
        private readonly bool _transposeB;

        public MatMulFunction(Tensor a, Tensor b, bool transposeA, bool transposeB)
            : base(a, b)
        {
            _a = NeedsGrad(1) ? Save(a) : null;
            _b = NeedsGrad(0) ? Save(b) : null;
            (_transposeA, _transposeB) = (transposeA, transposeB);
        }

        protected internal override void Backward(ReadOnlySpan<Tensor?> gradOutputs, GradSink sink)
        {
            // With y = op(a) op(b): d op(a) = dy op(b)^T and d op(b) = op(a)^T dy; where op transposes, the product is transposed as a whole.
            var dy = gradOutputs[0]!;
            if (_b is not null)
                sink.Add(0, _transposeA ? dy.Backend.MatMul(_b, dy, _transposeB, true) : dy.Backend.MatMul(dy, _b, false, !_transposeB));
            if (_a is not null)
                sink.Add(1, _transposeB ? dy.Backend.MatMul(dy, _a, true, _transposeA) : dy.Backend.MatMul(_a, dy, !_transposeA, false));
        }
    }
}
