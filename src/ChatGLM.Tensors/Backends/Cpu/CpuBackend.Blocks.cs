namespace ChatGLM.Tensors;

public sealed unsafe partial class CpuBackend
{
    /// <inheritdoc/>
    public override Tensor SwiGlu(Tensor x)
    {
        RequireFloat32(nameof(SwiGlu), x, "x");
        var width = HalfWidth(nameof(SwiGlu), x.Shape);
        var y = New(x.Shape.With(x.Shape.Rank - 1, width));
        Parallel(y.ElementCount, 8, new SwiGluBody(x.Pointer<float>(), y.Pointer<float>(), width), 16);
        GC.KeepAlive(x);
        return y;
    }

    /// <inheritdoc/>
    public override Tensor SwiGluBackward(Tensor dy, Tensor x)
    {
        RequireFloat32(nameof(SwiGluBackward), dy, "dy", x, "x");
        var width = HalfWidth(nameof(SwiGluBackward), x.Shape);
        if (2 * dy.ElementCount != x.ElementCount)
            throw new TensorException(nameof(SwiGluBackward), $"dy {dy.Shape} is not the gradient of the result for x {x.Shape}.");
        var dx = New(x.Shape);
        Parallel(dy.ElementCount, 10, new SwiGluBackwardBody(dy.Pointer<float>(), x.Pointer<float>(), dx.Pointer<float>(), width), 16);
        GC.KeepAlive(dy);
        GC.KeepAlive(x);
        return dx;
    }

    /// <inheritdoc/>
    public override Tensor Embedding(Tensor ids, Tensor table)
    {
        RequireFloatingPoint(nameof(Embedding), table);
        CheckIds(nameof(Embedding), ids, table.Shape);
        var width = table.Shape[1];
        Span<int> lengths = stackalloc int[ids.Shape.Rank + 1];
        for (var axis = 0; axis < ids.Shape.Rank; axis++)
            lengths[axis] = ids.Shape[axis];
        lengths[^1] = width;
        var y = New(new Shape(lengths));
        Embedding(ids, table, width, y);
        return y;
    }

    private void Embedding(Tensor ids, Tensor table, int width, Tensor y)
    {
        Parallel(ids.ElementCount, width, new EmbeddingBody(ids.Pointer<long>(), table.DType, (void*)table.Address, y.Pointer<float>(), width));
        GC.KeepAlive(ids);
        GC.KeepAlive(table);
        GC.KeepAlive(y);
    }

    /// <inheritdoc/>
    public override void EmbeddingBackward(Tensor dy, Tensor ids, Tensor grad)
    {
        RequireFloat32(nameof(EmbeddingBackward), dy, "dy", grad, "grad");
        CheckIds(nameof(EmbeddingBackward), ids, grad.Shape);
        var width = grad.Shape[1];
        if (dy.ElementCount != ids.ElementCount * width)
            throw new TensorException(nameof(EmbeddingBackward), $"dy {dy.Shape} does not fit ids {ids.Shape} and grad {grad.Shape}.");
        Parallel((width + 15) / 16, 48 * ids.ElementCount, new EmbeddingBackwardBody(dy.Pointer<float>(), ids.Pointer<long>(), grad.Pointer<float>(), ids.ElementCount, width));
        GC.KeepAlive(dy);
        GC.KeepAlive(ids);
        GC.KeepAlive(grad);
    }

    private static void CheckIds(string operation, Tensor ids, in Shape table)
    {
        RequireInt64(operation, ids, "ids");
        if (table.Rank != 2)
            throw new TensorException(operation, $"expected a table [rows, width], found {table}.");
        CheckRange(operation, ids, table[0], "id");
    }

    private static void RequireInt64(string operation, Tensor tensor, string name)
    {
        if (tensor.DType != DType.Int64)
            throw new TensorException(operation, $"{name} must be int64, they are {tensor.DType} {tensor.Shape}.");
    }

    /// <summary>Looks at every index before any kernel uses one as an address.</summary>
    private static void CheckRange(string operation, Tensor indices, long limit, string name)
    {
        var values = indices.Pointer<long>();
        for (long i = 0; i < indices.ElementCount; i++)
        {
            if ((ulong)values[i] >= (ulong)limit)
                throw new TensorException(operation, $"{name} {values[i]} at position {Position(indices.Shape, i)} is not in 0..{limit - 1}.");
        }

        GC.KeepAlive(indices);
    }

    private static string Position(in Shape shape, long i)
    {
        if (shape.Rank <= 1)
            return i.ToString(System.Globalization.CultureInfo.InvariantCulture);
        var index = new long[shape.Rank];
        for (var axis = shape.Rank - 1; axis >= 0; axis--)
            (i, index[axis]) = Math.DivRem(i, shape[axis]);
        return $"[{string.Join(", ", index)}]";
    }

    private static int HalfWidth(string operation, in Shape shape) => shape.Rank > 0 && shape[^1] % 2 == 0
        ? shape[^1] / 2
        : throw new TensorException(operation, $"the innermost axis of {shape} cannot be cut into two halves.");
}
