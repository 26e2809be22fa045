using ChatGLM.Tensors.Kernels;

namespace ChatGLM.Tensors;

public sealed unsafe partial class CpuBackend
{
    // Rows of activations that are rounded at a time: what they take in scratch memory is bounded however long a prompt is.
    private const int RoundedRowsAtOnce = 2048;

    private GroupKernels? _groups;

    private GroupKernels GroupProducts => _groups ??= GroupKernels.For(IntegerPath);

    /// <inheritdoc/>
    public override GroupQuantizedWeight Quantize(Tensor matrix, GroupQuantization how)
    {
        how.Validate();
        RequireMatrix(matrix);
        var (outputs, inputs) = (matrix.Shape[0], matrix.Shape[1]);
        var data = New(GroupQuantizedWeight.WeightShape(outputs, inputs, how), DType.UInt8);
        var scales = New(GroupQuantizedWeight.ScaleShape(outputs, inputs, how), DType.BFloat16);
        var minimums = how.HasMinimum ? New(scales.Shape, DType.BFloat16) : null;
        try
        {
            var body = new QuantizeGroupsBody(matrix.DType, Bytes(matrix), outputs, inputs, how, (byte*)Bytes(data), scales.Pointer<ushort>(), minimums is null ? null : minimums.Pointer<ushort>());
            Parallel(scales.Shape[0], inputs * 64L, body);
        }
        catch
        {
            data.Dispose();
            scales.Dispose();
            minimums?.Dispose();
            throw;
        }

        GC.KeepAlive(matrix);
        return new GroupQuantizedWeight(data, scales, minimums, outputs, inputs, how);
    }

    private Tensor DequantizeGroups(GroupQuantizedWeight weight)
    {
        var y = New([weight.OutFeatures, weight.InFeatures]);
        if (y.ElementCount != 0)
            Matrices.Dequantize(Pool, new GroupMatrix(weight), y.Pointer<float>());
        GC.KeepAlive(weight);
        return y;
    }

    private void LinearGrouped(Tensor x, long rows, GroupQuantizedWeight weight, float* bias, Tensor y)
    {
        var matrix = new GroupMatrix(weight);
        if (rows <= FewRows)
            Matrices.FewRows(Pool, (int)rows, x.Pointer<float>(), matrix, bias, y.Pointer<float>());
        else
            Matrices.Multiply(Pool, rows, new LeftOperand(x.Address, weight.InFeatures, 1), matrix, isTransposed: true, y.Pointer<float>(), bias);
    }

    private void LinearGroupedInteger(Tensor x, long rows, GroupQuantizedWeight weight, float* bias, Tensor y)
    {
        var matrix = new GroupMatrix(weight);
        var kernels = GroupProducts;
        var isWide = matrix.Bits == 8 && kernels.HasWideQuads;
        var offset = matrix.Bits == 8 ? kernels.ByteOffset : matrix.Offset;
        var most = (int)Math.Min(rows, RoundedRowsAtOnce);
        using var scratch = Pool.RentScratch(QuantizedInput.ByteLength(most, matrix.Groups, matrix.GroupSize, isWide));
        for (long row = 0; row < rows; row += RoundedRowsAtOnce)
        {
            var count = (int)Math.Min(RoundedRowsAtOnce, rows - row);
            var rounded = new QuantizedInput(scratch.Pointer, count, matrix.Groups, matrix.GroupSize, isWide);
            Parallel((long)count * matrix.Groups, matrix.GroupSize, new QuantizeInputBody(x.Pointer<float>() + (row * matrix.Inputs), matrix.Inputs, matrix.GroupSize, offset, rounded));
            kernels.Multiply(Pool, count, rounded, matrix, bias, y.Pointer<float>() + (row * matrix.Outputs));
        }
    }
}
