using ChatGLM.Tensors.Kernels;

namespace ChatGLM.Tensors;

public sealed unsafe partial class CpuBackend
{
    /// <inheritdoc/>
    public override RowQuantizedWeight Quantize(Tensor matrix, in RowQuantization how)
    {
        RequireQuantizable(matrix, how);
        var (rows, columns) = (matrix.Shape[0], matrix.Shape[1]);
        var integers = New([rows, columns / (8 / how.Bits)], DType.Int8);
        var scales = New([rows], how.ScaleType);
        try
        {
            Parallel(rows, columns * 4L, new QuantizeRowsBody(matrix.DType, Bytes(matrix), columns, how, (sbyte*)Bytes(integers), Bytes(scales)));
        }
        catch
        {
            integers.Dispose();
            scales.Dispose();
            throw;
        }

        GC.KeepAlive(matrix);
        return new RowQuantizedWeight(integers, scales, how.Bits);
    }

    /// <inheritdoc/>
    public override Tensor Dequantize(LinearWeight weight)
    {
        if (weight is DenseWeight dense)
            return Cast(dense.Tensor, DType.Float32);
        if (weight is GroupQuantizedWeight grouped)
            return DequantizeGroups(grouped);
        if (weight is BlockQuantizedWeight blocks)
            return DequantizeBlocks(blocks);
        if (weight is not RowQuantizedWeight quantized)
            throw Unsupported(nameof(Dequantize), weight);
        var y = New([weight.OutFeatures, weight.InFeatures]);
        using var scratch = Pool.RentScratch(sizeof(float) * (long)weight.OutFeatures);
        Matrices.Dequantize(Pool, weight.OutFeatures, weight.InFeatures, Operand(quantized, (float*)scratch.Pointer, isTransposed: true), y.Pointer<float>());
        GC.KeepAlive(weight);
        return y;
    }

    private void LinearQuantized(Tensor x, long rows, RowQuantizedWeight weight, float* bias, Tensor y)
    {
        var (outputs, inputs) = (weight.OutFeatures, weight.InFeatures);
        using var scratch = Pool.RentScratch(sizeof(float) * (long)outputs);
        var matrix = Operand(weight, (float*)scratch.Pointer, isTransposed: true);
        if (rows <= FewRows)
            Matrices.FewRows(Pool, (int)rows, outputs, inputs, x.Pointer<float>(), matrix, bias, y.Pointer<float>());
        else
            Matrices.Multiply(Pool, rows, outputs, inputs, new LeftOperand(x.Address, inputs, 1), matrix, y.Pointer<float>(), bias, 0);
    }

    private void LinearQuantizedInteger(Tensor x, long rows, RowQuantizedWeight weight, float* bias, Tensor y)
    {
        var (outputs, inputs) = (weight.OutFeatures, weight.InFeatures);
        using var scales = Pool.RentScratch(sizeof(float) * (long)outputs);
        var matrix = Operand(weight, (float*)scales.Pointer, isTransposed: true);
        var tileRows = rows == 1 ? 0 : Matrices.RoundedTileRows;
        for (long row = 0; row < rows; row += RoundedRowsAtOnce)
        {
            var count = (int)Math.Min(RoundedRowsAtOnce, rows - row);
            using var scratch = Pool.RentScratch(RoundedRows.ByteLength(count, inputs, tileRows));
            var rounded = new RoundedRows(scratch.Pointer, count, inputs, Matrices.WordLanes, tileRows);
            Parallel((long)count * rounded.Segments, RoundedRows.SegmentColumns, new RoundRowsBody(x.Pointer<float>() + (row * inputs), inputs, weight.Bits, rounded));
            Matrices.Multiply(Pool, rounded, outputs, inputs, matrix, bias, y.Pointer<float>() + (row * outputs));
        }
    }

    private void LinearQuantizedBackwardInput(Tensor dy, RowQuantizedWeight weight, Tensor dx)
    {
        using var scratch = Pool.RentScratch(sizeof(float) * (long)weight.OutFeatures);
        var right = Operand(weight, (float*)scratch.Pointer, isTransposed: false);
        Matrices.Multiply(Pool, dx.Shape.RowCount, weight.InFeatures, weight.OutFeatures, new LeftOperand(dy.Address, weight.OutFeatures, 1), right, dx.Pointer<float>(), null, 0);
    }

    private QuantizedOperand Operand(RowQuantizedWeight weight, float* widenedScales, bool isTransposed)
    {
        Matrices.Widen(weight.Scale.Pointer<byte>(), weight.Scale.DType, weight.OutFeatures, widenedScales);
        return new QuantizedOperand(weight.Weight.Pointer<byte>(), widenedScales, weight.Bits, isTransposed);
    }

    private static void RequireQuantizable(Tensor matrix, in RowQuantization how)
    {
        if (how.Bits is not (8 or 4))
            throw new TensorException(nameof(Quantize), $"bits: expected 8 or 4, found {how.Bits}.");
        if (how.ScaleType is not (DType.Float32 or DType.Float16 or DType.BFloat16))
            throw new TensorException(nameof(Quantize), $"scales are float32, float16 or bfloat16, not {how.ScaleType.TorchName()}.");
        RequireMatrix(matrix);
        if (how.Bits == 4 && matrix.Shape[1] % 2 != 0)
            throw new TensorException(nameof(Quantize), $"4 bits need an even number of columns, because a byte holds two; found {matrix.Shape}. Use 8 bits.");
    }

    private static void RequireMatrix(Tensor matrix)
    {
        if (matrix.Shape.Rank != 2 || matrix.DType is not (DType.Float32 or DType.Float16 or DType.BFloat16))
            throw new TensorException(nameof(Quantize), $"expected a float32, float16 or bfloat16 matrix [out, in], found {matrix.DType.TorchName()} {matrix.Shape}.");
    }
}
