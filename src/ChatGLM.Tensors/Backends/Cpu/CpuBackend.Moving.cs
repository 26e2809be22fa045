namespace ChatGLM.Tensors;

public sealed unsafe partial class CpuBackend
{
    /// <inheritdoc/>
    public override void Fill(Tensor target, double value)
    {
        target.MakeWritable();
        switch (target.DType)
        {
            case DType.Float32:
                Fill(target, (float)value);
                break;
            case DType.Float16:
                Fill(target, (Half)(float)value);
                break;
            case DType.BFloat16:
                Fill(target, (BFloat16)(float)value);
                break;
            case DType.Float64:
                Fill(target, value);
                break;
            case DType.Int64:
                Fill(target, (long)value);
                break;
            case DType.Int32:
                Fill(target, (int)(long)value);
                break;
            case DType.Int16:
                Fill(target, (short)(long)value);
                break;
            case DType.Int8:
                Fill(target, (sbyte)(long)value);
                break;
            case DType.Bool:
                Fill(target, value != 0 ? (byte)1 : (byte)0);
                break;
            default:
                Fill(target, (byte)(long)value);
                break;
        }
    }

    /// <inheritdoc/>
    public override Tensor Copy(Tensor x)
    {
        var y = New(x.Shape, x.DType);
        Parallel(x.ByteLength, 1, new BytesCopyBody(Bytes(x), Bytes(y)), 64);
        GC.KeepAlive(x);
        return y;
    }

    /// <inheritdoc/>
    public override Tensor Cast(Tensor x, DType dtype)
    {
        if (x.DType == dtype)
            return Copy(x);
        var y = New(x.Shape, dtype);
        if (x.DType.IsFloatingPoint() && dtype.IsFloatingPoint())
            Parallel(x.ElementCount, 2, new FloatCastBody(x.DType, Bytes(x), dtype, Bytes(y)), 16);
        else
            Parallel(x.ElementCount, 16, new IntegerCastBody(x.DType, Bytes(x), dtype, Bytes(y)), 16);
        GC.KeepAlive(x);
        return y;
    }

    /// <inheritdoc/>
    public override Tensor Permute(Tensor x, ReadOnlySpan<int> axes)
    {
        var shape = x.Shape;
        if (axes.Length != shape.Rank)
            throw new TensorException(nameof(Permute), $"{shape} has {shape.Rank} axes, the order names {axes.Length}.");
        Span<int> lengths = stackalloc int[axes.Length];
        var seen = 0;
        for (var axis = 0; axis < axes.Length; axis++)
        {
            if ((uint)axes[axis] >= (uint)axes.Length || (seen & (1 << axes[axis])) != 0)
                throw new TensorException(nameof(Permute), $"[{string.Join(", ", axes.ToArray())}] is not an order of the axes 0..{axes.Length - 1}.");
            seen |= 1 << axes[axis];
            lengths[axis] = shape[axes[axis]];
        }

        var plan = PermutePlan.Create(shape, axes, x.DType.SizeInBytes());
        if (plan.Rank == 0 || x.ElementCount == 0)
        {
            using var copy = Copy(x);
            return Reshaped(copy, new Shape(lengths));
        }

        var y = New(new Shape(lengths), x.DType);
        byte* source = Bytes(x), target = Bytes(y);
        var runLength = plan.Length(plan.Rank - 1);
        if (plan is { Rank: 2, ElementBytes: 4 } && plan.Stride(1) == plan.Length(0) && plan.Stride(0) == 1)
        {
            Parallel(TransposeBody<uint>.Bands(plan.Length(0)), TransposeBody<uint>.Tile * runLength, new TransposeBody<uint>((uint*)source, (uint*)target, runLength, plan.Length(0)));
        }
        else if (plan is { Rank: 2, ElementBytes: 2 } && plan.Stride(1) == plan.Length(0) && plan.Stride(0) == 1)
        {
            Parallel(TransposeBody<ushort>.Bands(plan.Length(0)), TransposeBody<ushort>.Tile * runLength, new TransposeBody<ushort>((ushort*)source, (ushort*)target, runLength, plan.Length(0)));
        }
        else if (plan is { Rank: 3, ElementBytes: 4 } && plan.Stride(2) == plan.Length(1) && plan.Stride(1) == 1 && plan.Stride(0) == plan.Length(1) * plan.Length(2))
        {
            Parallel(plan.Length(0) * TransposeBody<uint>.Bands(plan.Length(1)), TransposeBody<uint>.Tile * runLength, new TransposeBody<uint>((uint*)source, (uint*)target, runLength, plan.Length(1)));
        }
        else
        {
            var runs = y.ByteLength / (runLength * plan.ElementBytes);
            Parallel(runs, runLength * Math.Max(1, plan.ElementBytes / 4), new PermuteBody(source, target, plan));
        }

        GC.KeepAlive(x);
        return y;
    }

    /// <inheritdoc/>
    public override Tensor Concat(ReadOnlySpan<Tensor> tensors, int axis)
    {
        if (tensors.IsEmpty)
            throw new TensorException(nameof(Concat), "there is nothing to join.");
        var first = tensors[0].Shape;
        RequireAxis(nameof(Concat), first, axis);
        var length = 0;
        foreach (var tensor in tensors)
        {
            if (tensor.DType != tensors[0].DType || tensor.Shape.Rank != first.Rank || tensor.Shape.With(axis, first[axis]) != first)
                throw new TensorException(nameof(Concat), $"{tensor.Shape} {tensor.DType} cannot follow {first} {tensors[0].DType} along axis {axis}.");
            length = checked(length + tensor.Shape[axis]);
        }

        var y = New(first.With(axis, length), tensors[0].DType);
        var start = 0;
        foreach (var tensor in tensors)
        {
            CopyBlocks(tensor, 0, y, start, axis, tensor.Shape[axis]);
            start += tensor.Shape[axis];
        }

        return y;
    }

    /// <inheritdoc/>
    public override Tensor Slice(Tensor x, int axis, int start, int length)
    {
        RequireAxis(nameof(Slice), x.Shape, axis);
        if (start < 0 || length < 0 || start > x.Shape[axis] - length)
            throw new TensorException(nameof(Slice), $"{start}..{(long)start + length} is not inside axis {axis} of {x.Shape}.");
        var y = New(x.Shape.With(axis, length), x.DType);
        CopyBlocks(x, start, y, 0, axis, length);
        return y;
    }

    /// <inheritdoc/>
    public override void WriteSlice(Tensor target, Tensor source, int axis, int start)
    {
        RequireAxis(nameof(WriteSlice), target.Shape, axis);
        if (source.DType != target.DType || source.Shape.Rank != target.Shape.Rank || source.Shape.With(axis, target.Shape[axis]) != target.Shape)
            throw new TensorException(nameof(WriteSlice), $"{source.Shape} {source.DType} does not fit into {target.Shape} {target.DType} along axis {axis}.");
        target.MakeWritable();
        if (start < 0 || start > target.Shape[axis] - source.Shape[axis])
            throw new TensorException(nameof(WriteSlice), $"{start}..{(long)start + source.Shape[axis]} is not inside axis {axis} of {target.Shape}.");
        CopyBlocks(source, 0, target, start, axis, source.Shape[axis]);
    }

    /// <inheritdoc/>
    public override Tensor SelectRows(Tensor x, ReadOnlySpan<int> rows)
    {
        RequireAxis(nameof(SelectRows), x.Shape, 0);
        for (var i = 0; i < rows.Length; i++)
        {
            if ((uint)rows[i] >= (uint)x.Shape[0])
                throw new TensorException(nameof(SelectRows), $"row {rows[i]} at position {i} is not in 0..{x.Shape[0] - 1}.");
        }

        var y = New(x.Shape.With(0, rows.Length), x.DType);
        if (rows.Length == 0)
            return y;
        var bytesPerRow = y.ByteLength / rows.Length;
        fixed (int* chosen = rows)
            Parallel(rows.Length, bytesPerRow / 4, new SelectRowsBody(Bytes(x), Bytes(y), chosen, bytesPerRow));
        GC.KeepAlive(x);
        return y;
    }

    private void Fill<TElement>(Tensor target, TElement value)
        where TElement : unmanaged
    {
        Parallel(target.ElementCount, 1, new FillBody<TElement>((TElement*)target.Address, value), 64);
        GC.KeepAlive(target);
    }

    /// <summary>Copies <paramref name="length"/> entries of an axis from one tensor to another: one run of bytes per entry of the axes outside it.</summary>
    private void CopyBlocks(Tensor source, int sourceStart, Tensor target, int targetStart, int axis, int length)
    {
        long outer = 1;
        for (var i = 0; i < axis; i++)
            outer *= source.Shape[i];
        long inner = source.DType.SizeInBytes();
        for (var i = axis + 1; i < source.Shape.Rank; i++)
            inner *= source.Shape[i];
        if (length == 0 || outer == 0 || inner == 0)
            return;
        byte* from = Bytes(source) + (sourceStart * inner), to = Bytes(target) + (targetStart * inner);
        if (outer == 1)
            Parallel(length * inner, 1, new BytesCopyBody(from, to), 64);
        else
            Parallel(outer, length * inner / 4, new BlockCopyBody(from, source.Shape[axis] * inner, to, target.Shape[axis] * inner, length * inner));
        GC.KeepAlive(source);
        GC.KeepAlive(target);
    }

    private static Tensor Reshaped(Tensor x, in Shape shape) => x.View(shape, 0);

    private static byte* Bytes(Tensor tensor) => (byte*)tensor.Address;

    private static void RequireAxis(string operation, in Shape shape, int axis)
    {
        if ((uint)axis >= (uint)shape.Rank)
            throw new TensorException(operation, $"{shape} has no axis {axis}.");
    }
}
