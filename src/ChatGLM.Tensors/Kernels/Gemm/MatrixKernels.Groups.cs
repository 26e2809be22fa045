using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors.Kernels;

internal sealed unsafe partial class MatrixKernels<TSimd, TVec>
{
    public override void FewRows(WorkerPool pool, int rows, float* x, in GroupMatrix weight, float* bias, float* result) =>
        GroupFloatRows<TSimd, TVec>.Run(pool, rows, x, weight, bias, result);

    public override void Multiply(WorkerPool pool, long rows, in LeftOperand left, in GroupMatrix weight, bool isTransposed, float* result, float* bias)
    {
        if (isTransposed)
            Gemm<TSimd, TVec, GroupColumns<TSimd, TVec>>.Run(pool, rows, weight.Outputs, weight.Inputs, left, new GroupColumns<TSimd, TVec>(weight), result, bias, 0);
        else
            Gemm<TSimd, TVec, GroupRows<TSimd, TVec>>.Run(pool, rows, weight.Inputs, weight.Outputs, left, new GroupRows<TSimd, TVec>(weight), result, bias, 0);
    }

    public override void Dequantize(WorkerPool pool, in GroupMatrix matrix, float* target)
    {
        var tasks = Math.Min(matrix.Blocks, pool.TasksFor((long)matrix.Outputs * matrix.Inputs, SmallestDequantizeTask));
        pool.Run(tasks, new GroupDequantization(matrix, target, tasks));
    }

    private readonly struct GroupDequantization(GroupMatrix matrix, float* target, int tasks) : IParallelBody
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        [SkipLocalsInit]
        public void Run(int task)
        {
            var width = 2 * TSimd.Count;
            var panels = new GroupRows<TSimd, TVec>(matrix);
            var panel = stackalloc float[16 * 32];
            var scratch = stackalloc float[2 * 16 * 16];
            var end = (int)((long)matrix.Blocks * (task + 1) / tasks);
            for (var block = (int)((long)matrix.Blocks * task / tasks); block < end; block++)
            {
                var first = block * GroupMatrix.BlockRows;
                var rows = Math.Min(GroupMatrix.BlockRows, matrix.Outputs - first);
                for (var column = 0; column < matrix.Inputs; column += width)
                {
                    var columns = Math.Min(width, matrix.Inputs - column);
                    panels.Pack(first, rows, column, columns, panel, scratch);
                    for (var row = 0; row < rows; row++)
                        new ReadOnlySpan<float>(panel + (row * width), columns).CopyTo(new Span<float>(target + ((nint)(first + row) * matrix.Inputs) + column, columns));
                }
            }
        }
    }
}
