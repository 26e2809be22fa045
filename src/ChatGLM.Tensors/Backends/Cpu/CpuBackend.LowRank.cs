namespace ChatGLM.Tensors;

public sealed unsafe partial class CpuBackend
{
    /// <inheritdoc/>
    public override (Tensor Sum, bool IsFinite) AddLowRank(Tensor matrix, ReadOnlySpan<LowRankTerm> terms)
    {
        CheckLowRank(matrix, terms);
        var sum = New(matrix.Shape, matrix.DType);
        var bodies = stackalloc AddLowRankBody.Term[terms.Length];
        var work = 4L;
        var packed = 0L;
        foreach (var term in terms)
            packed += AddLowRankBody.PackedLength(term.Left.Shape[1], matrix.Shape[1]);
        using var scratch = Pool.RentScratch(packed * sizeof(float));
        var panels = (float*)scratch.Pointer;
        for (var t = 0; t < terms.Length; t++)
        {
            var (left, right, scale) = terms[t];
            AddLowRankBody.Pack(right.Pointer<float>(), left.Shape[1], matrix.Shape[1], panels);
            bodies[t] = new AddLowRankBody.Term(left.Pointer<float>(), panels, left.Shape[1], scale);
            panels += AddLowRankBody.PackedLength(left.Shape[1], matrix.Shape[1]);
            work += left.Shape[1];
        }

        var isBroken = 0;
        Parallel(matrix.Shape[0], work * matrix.Shape[1], new AddLowRankBody(matrix.DType, (void*)matrix.Address, (void*)sum.Address, matrix.Shape[1], bodies, terms.Length, &isBroken), multiple: 4);
        GC.KeepAlive(matrix);
        foreach (var term in terms)
        {
            GC.KeepAlive(term.Left);
            GC.KeepAlive(term.Right);
        }

        return (sum, isBroken == 0);
    }

    private static void CheckLowRank(Tensor matrix, ReadOnlySpan<LowRankTerm> terms)
    {
        RequireFloatingPoint(nameof(AddLowRank), matrix);
        if (matrix.Shape.Rank != 2)
            throw new TensorException(nameof(AddLowRank), $"expected a matrix, found {matrix.Shape}.");
        foreach (var (left, right, _) in terms)
        {
            RequireFloat32(nameof(AddLowRank), left, "left", right, "right");
            if (left.Shape.Rank != 2 || right.Shape.Rank != 2 || left.Shape[0] != matrix.Shape[0] || left.Shape[1] != right.Shape[0] || right.Shape[1] != matrix.Shape[1])
                throw new TensorException(nameof(AddLowRank), $"{left.Shape} times {right.Shape} does not fit a matrix {matrix.Shape}.");
        }
    }
}
