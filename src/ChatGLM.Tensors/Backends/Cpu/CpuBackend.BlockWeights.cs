using ChatGLM.Tensors.Kernels;

namespace ChatGLM.Tensors;

public sealed unsafe partial class CpuBackend
{
    private BlockKernels? _blocks;

    private BlockKernels BlockProducts => _blocks ??= BlockKernels.For(IntegerPath);

    private Tensor DequantizeBlocks(BlockQuantizedWeight weight)
    {
        var y = New([weight.OutFeatures, weight.InFeatures]);
        if (y.ElementCount != 0)
            Matrices.Dequantize(Pool, new BlockMatrix(weight), y.Pointer<float>());
        GC.KeepAlive(weight);
        return y;
    }

    private void LinearBlocks(Tensor x, long rows, BlockQuantizedWeight weight, float* bias, Tensor y, bool roundsActivations)
    {
        var matrix = new BlockMatrix(weight);
        if (rows > FewRows)
        {
            Matrices.Multiply(Pool, rows, new LeftOperand(x.Address, weight.InFeatures, 1), matrix, isTransposed: true, y.Pointer<float>(), bias);
            return;
        }

        if (!roundsActivations)
        {
            Matrices.FewRows(Pool, (int)rows, x.Pointer<float>(), matrix, bias, y.Pointer<float>());
            return;
        }

        var count = (int)rows;
        using var scratch = Pool.RentScratch(BlockInput.ByteLength(count, matrix.Groups));
        var rounded = new BlockInput(scratch.Pointer, count, matrix.Groups);
        Parallel((long)count * rounded.Stride, BlockMatrix.GroupColumns, new RoundToBlocksBody(x.Pointer<float>(), matrix.Inputs, BlockKernels.OffsetOf(matrix.Format), rounded));
        BlockProducts.Multiply(Pool, count, rounded, matrix, bias, y.Pointer<float>());
    }
}
