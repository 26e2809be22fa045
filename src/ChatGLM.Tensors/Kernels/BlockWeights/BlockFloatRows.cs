using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors.Kernels;

/// <summary>
/// x W^T + bias over a block-quantized weight with the activations as they are, in float32, for few rows: what training and <see cref="CpuBackendOptions.RoundsActivations"/> switched off want. A row of the weight is
/// widened a chunk at a time, in the fastest cache, and multiplied with all rows of x.
/// </summary>
internal static unsafe class BlockFloatRows<TSimd, TVec>
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    private const long SmallestTaskBytes = 64 << 10;
    private const int ChunkColumns = BlockMatrix.ChunkGroups * BlockMatrix.GroupColumns;

    public static void Run(WorkerPool pool, int rows, float* x, in BlockMatrix weight, float* bias, float* result)
    {
        if (rows == 0 || weight.Outputs == 0)
            return;
        var count = rows * (long)weight.Inputs;
        using var scratch = pool.RentScratch(sizeof(float) * count);
        var values = (float*)scratch.Pointer;
        for (long i = 0; i < count; i++)
            values[i] = SimdScalar.FlushDenormals(x[i]);
        var tasks = Math.Clamp(pool.TasksFor(weight.Outputs * (long)weight.RowBytes, SmallestTaskBytes), 1, weight.Outputs);
        pool.Run(tasks, new Product(rows, values, weight, bias, result, tasks));
    }

    private readonly struct Product(int rows, float* x, BlockMatrix weight, float* bias, float* result, int tasks) : IParallelBody
    {
        [SkipLocalsInit]
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int task)
        {
            var chunk = stackalloc float[ChunkColumns];
            var sums = stackalloc float[rows * TSimd.Count];
            var end = (int)((long)weight.Outputs * (task + 1) / tasks);
            for (var output = (int)((long)weight.Outputs * task / tasks); output < end; output++)
            {
                new Span<float>(sums, rows * TSimd.Count).Clear();
                for (var column = 0; column < weight.Inputs; column += ChunkColumns)
                {
                    var columns = Math.Min(ChunkColumns, weight.Inputs - column);
                    BlockWidening<TSimd, TVec>.Widen(weight, output, column / BlockMatrix.GroupColumns, columns / BlockMatrix.GroupColumns, chunk);
                    for (var row = 0; row < rows; row++)
                    {
                        var sum = TSimd.Load(sums + (row * TSimd.Count));
                        var values = x + ((nint)row * weight.Inputs) + column;
                        for (var i = 0; i < columns; i += TSimd.Count)
                            sum = TSimd.MultiplyAdd(TSimd.Load(chunk + i), TSimd.Load(values + i), sum);
                        TSimd.Store(sums + (row * TSimd.Count), sum);
                    }
                }

                for (var row = 0; row < rows; row++)
                {
                    var sum = TSimd.Sum(TSimd.Load(sums + (row * TSimd.Count)));
                    result[((nint)row * weight.Outputs) + output] = bias == null ? sum : sum + bias[output];
                }
            }
        }
    }
}
