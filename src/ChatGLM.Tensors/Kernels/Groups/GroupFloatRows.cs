using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors.Kernels;

/// <summary>
/// x W^T + bias over a group-quantized weight with the activations as they are, in float32, for few rows: what training and <see cref="CpuBackendOptions.RoundsActivations"/> switched off
/// want. Every output is a chain over the columns of a group, and a chain of those over the groups.
/// </summary>
internal static unsafe class GroupFloatRows<TSimd, TVec>
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    private const long SmallestTaskBytes = 64 << 10;

    public static void Run(WorkerPool pool, int rows, float* x, in GroupMatrix weight, float* bias, float* result)
    {
        if (rows == 0 || weight.Outputs == 0)
            return;
        var padded = weight.Groups * weight.GroupSize;
        using var scratch = pool.RentScratch(sizeof(float) * (long)rows * padded);
        var arranged = (float*)scratch.Pointer;
        for (var row = 0; row < rows; row++)
        {
            for (var i = 0; i < padded; i++)
                arranged[((nint)row * padded) + i] = i < weight.Inputs ? SimdScalar.FlushDenormals(x[((nint)row * weight.Inputs) + i]) : 0;
        }

        var tasks = Math.Clamp(pool.TasksFor(weight.Blocks * weight.Groups * (long)weight.GroupBytes, SmallestTaskBytes), 1, weight.Blocks);
        pool.Run(tasks, new Product(rows, arranged, padded, weight, bias, result, tasks));
    }

    private readonly struct Product(int rows, float* x, int stride, GroupMatrix weight, float* bias, float* result, int tasks) : IParallelBody
    {
        [SkipLocalsInit]
        public void Run(int task)
        {
            var sums = stackalloc float[TSimd.Count];
            var end = (int)((long)weight.Blocks * (task + 1) / tasks);
            for (var block = (int)((long)weight.Blocks * task / tasks); block < end; block++)
            {
                for (var lane = 0; lane < GroupMatrix.BlockRows; lane += TSimd.Count)
                {
                    var first = (block * GroupMatrix.BlockRows) + lane;
                    var count = Math.Min(TSimd.Count, weight.Outputs - first);
                    for (var row = 0; row < rows && count > 0; row++)
                    {
                        TSimd.Store(sums, Sum(block, lane, x + ((nint)row * stride)));
                        for (var i = 0; i < count; i++)
                            result[((nint)row * weight.Outputs) + first + i] = bias == null ? sums[i] : sums[i] + bias[first + i];
                    }
                }
            }
        }

        /// <summary>Count outputs for one row of x. The second row finds the block in the cache.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private TVec Sum(int block, int lane, float* values)
        {
            var offset = GroupColumn<TSimd, TVec>.Offset(weight.Offset);
            var sum = TSimd.Zero;
            for (var group = 0; group < weight.Groups; group++)
            {
                var data = weight.Group(block, group) + (lane * sizeof(int));
                TVec part = TSimd.Zero, total = TSimd.Zero;
                for (var column = 0; column < weight.GroupSize; column++)
                {
                    var value = TSimd.Broadcast(values[column]);
                    part = TSimd.MultiplyAdd(GroupColumn<TSimd, TVec>.Load(data, column, weight.Bits, offset), value, part);
                    if (weight.Minimums != null)
                        total = TSimd.Add(total, value);
                }

                var at = weight.ScaleIndex(block, group) + lane;
                if (weight.Minimums != null)
                    sum = TSimd.MultiplyAdd(total, GroupColumn<TSimd, TVec>.Widen(weight.Minimums + at), sum);
                sum = TSimd.MultiplyAdd(part, GroupColumn<TSimd, TVec>.Widen(weight.Scales + at), sum);
                values += weight.GroupSize;
            }

            return sum;
        }
    }
}
