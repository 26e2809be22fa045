namespace ChatGLM.Tensors;

public sealed unsafe partial class CpuBackend
{
    /// <inheritdoc/>
    public override Tensor SumTo(Tensor x, in Shape shape)
    {
        RequireFloat32(nameof(SumTo), x, "x");
        var width = shape.ElementCount;
        if (!shape.IsSuffixOf(x.Shape))
            throw new TensorException(nameof(SumTo), $"{shape} is not made of the innermost axes of {x.Shape}.");
        var y = New(shape);
        if (x.ElementCount == 0)
        {
            Fill(y, 0);
        }
        else if (width == 1)
        {
            Parallel(1, x.ElementCount, new SumLastBody(x.Pointer<float>(), y.Pointer<float>(), x.ElementCount));
        }
        else
        {
            SumColumns(x.Pointer<float>(), y.Pointer<float>(), x.ElementCount / width, width, accumulate: false);
        }

        GC.KeepAlive(x);
        return y;
    }

    /// <inheritdoc/>
    public override Tensor SumLast(Tensor x)
    {
        RequireFloat32(nameof(SumLast), x, "x");
        RequireAxis(nameof(SumLast), x.Shape, 0);
        Span<int> lengths = stackalloc int[x.Shape.Rank - 1];
        for (var axis = 0; axis < lengths.Length; axis++)
            lengths[axis] = x.Shape[axis];
        var y = New(new Shape(lengths));
        Parallel(y.ElementCount, x.Shape[^1], new SumLastBody(x.Pointer<float>(), y.Pointer<float>(), x.Shape[^1]));
        GC.KeepAlive(x);
        return y;
    }

    /// <inheritdoc/>
    public override double SumOfSquares(Tensor x)
    {
        RequireFloatingPoint(nameof(SumOfSquares), x);
        var pieces = (x.ElementCount + SquareSumBody.Piece - 1) / SquareSumBody.Piece;
        using var scratch = Pool.RentScratch(pieces * sizeof(double));
        var sums = (double*)scratch.Pointer;
        Parallel(pieces, SquareSumBody.Piece, new SquareSumBody(x.DType, (void*)x.Address, sums, x.ElementCount));
        double sum = 0;
        for (long piece = 0; piece < pieces; piece++)
            sum += sums[piece];
        GC.KeepAlive(x);
        return sum;
    }

    private void SumColumns(float* x, float* y, long rows, long width, bool accumulate) =>
        Parallel((width + 15) / 16, 16 * rows, new ColumnSumBody(x, y, rows, width, accumulate));
}
