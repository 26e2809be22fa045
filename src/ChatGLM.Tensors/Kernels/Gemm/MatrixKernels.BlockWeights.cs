using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors.Kernels;

internal sealed unsafe partial class MatrixKernels<TSimd, TVec>
{
    public override void FewRows(WorkerPool pool, int rows, float* x, in BlockMatrix weight, float* bias, float* result) =>
        BlockFloatRows<TSimd, TVec>.Run(pool, rows, x, weight, bias, result);

    public override void Multiply(WorkerPool pool, long rows, in LeftOperand left, in BlockMatrix weight, bool isTransposed, float* result, float* bias)
    {
        if (isTransposed)
            Gemm<TSimd, TVec, BlockColumns<TSimd, TVec>>.Run(pool, rows, weight.Outputs, weight.Inputs, left, new BlockColumns<TSimd, TVec>(weight), result, bias, 0);
        else
            Gemm<TSimd, TVec, BlockRows<TSimd, TVec>>.Run(pool, rows, weight.Inputs, weight.Outputs, left, new BlockRows<TSimd, TVec>(weight), result, bias, 0);
    }

    public override void Dequantize(WorkerPool pool, in BlockMatrix matrix, float* target)
    {
        var tasks = Math.Min(matrix.Outputs, pool.TasksFor((long)matrix.Outputs * matrix.Inputs, SmallestDequantizeTask));
        pool.Run(tasks, new BlockDequantization(matrix, target, tasks));
    }

    private readonly struct BlockDequantization(BlockMatrix matrix, float* target, int tasks) : IParallelBody
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int task)
        {
            var end = (int)((long)matrix.Outputs * (task + 1) / tasks);
            for (var row = (int)((long)matrix.Outputs * task / tasks); row < end; row++)
                BlockWidening<TSimd, TVec>.Widen(matrix, row, 0, matrix.Groups, target + ((nint)row * matrix.Inputs));
        }
    }
}
