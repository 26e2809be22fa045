using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace ChatGLM.Tensors.Kernels;

/// <summary>
/// x W^T + bias over a block-quantized weight with activations rounded to 8 bits, for few rows. Two rows of the weight are streamed side by side, so that activations are loaded once for both and two chains of sums run at
/// once; each output is eight lanes of sums over the groups, in their order. The hardware's prefetcher stops at the end of a page, so the streams are prefetched by hand.
/// </summary>
internal static unsafe class BlockProduct<TSimd, TFloat, TFormat>
    where TSimd : struct, IBlockSimd<TFloat>
    where TFloat : struct
    where TFormat : struct, IBlockFormat
{
    private const int PrefetchBytes = 4096;
    private const long SmallestTaskBytes = 64 << 10;

    public static void Run(WorkerPool pool, int rows, in BlockInput x, in BlockMatrix weight, float* bias, float* result)
    {
        if (rows == 0 || weight.Outputs == 0)
            return;
        var pairs = (weight.Outputs + 1) / 2;
        var tasks = Math.Clamp(pool.TasksFor(weight.Outputs * (long)weight.RowBytes, SmallestTaskBytes), 1, pairs);
        pool.Run(tasks, new Product(rows, x, weight, bias, result, tasks));
    }

    private readonly struct Product(int rows, BlockInput x, BlockMatrix weight, float* bias, float* result, int tasks) : IParallelBody
    {
        public void Run(int task)
        {
            var pairs = (weight.Outputs + 1) / 2;
            var end = (int)((long)pairs * (task + 1) / tasks);
            for (var pair = (int)((long)pairs * task / tasks); pair < end; pair++)
            {
                var (first, second) = (2 * pair, Math.Min((2 * pair) + 1, weight.Outputs - 1));
                for (var row = 0; row < rows; row++)
                {
                    // The second row of x finds the weight in the cache.
                    Multiply(first, second, row, out var a, out var b);
                    var to = result + ((nint)row * weight.Outputs);
                    to[first] = bias == null ? a : a + bias[first];
                    to[second] = bias == null ? b : b + bias[second];
                }
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        [SkipLocalsInit]
        private void Multiply(int firstRow, int secondRow, int row, out float firstResult, out float secondResult)
        {
            var scales = stackalloc float[32];
            var minimums = stackalloc float[16];
            byte* first = weight.Row(firstRow), second = weight.Row(secondRow);
            var group = (nint)row * x.Stride;
            TFloat firstSum = TSimd.Zero, secondSum = TSimd.Zero, firstRest = TSimd.Zero, secondRest = TSimd.Zero;
            for (var left = x.Groups; left > 0; left -= BlockMatrix.ChunkGroups, group += BlockMatrix.ChunkGroups)
            {
                var groups = Math.Min(left, BlockMatrix.ChunkGroups);
                Prepare(first, groups, group, scales, minimums, ref firstRest);
                Prepare(second, groups, group, scales + 16, minimums + 8, ref secondRest);
                var numbers = x.Numbers + (group * BlockMatrix.GroupColumns);
                var starts = x.Starts + (group * 8);
                for (var pair = 0; pair < groups / 2; pair++)
                {
                    Add(first, second, pair, isOdd: false, numbers, starts, scales, ref firstSum, ref secondSum);
                    Add(first, second, pair, isOdd: true, numbers + 32, starts + 8, scales, ref firstSum, ref secondSum);
                    numbers += 64;
                    starts += 16;
                }

                if (groups % 2 != 0)
                    Add(first, second, groups / 2, isOdd: false, numbers, starts, scales, ref firstSum, ref secondSum);
                first += TFormat.ChunkBytes;
                second += TFormat.ChunkBytes;
            }

            firstResult = TSimd.Sum(firstSum);
            secondResult = TSimd.Sum(secondSum);
            if (TFormat.HasMinimum)
            {
                firstResult += TSimd.Sum(firstRest);
                secondResult += TSimd.Sum(secondRest);
            }
        }

        /// <summary>The scales of a chunk times those of the activations, and what its minimums come to.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private void Prepare(byte* chunk, int groups, nint group, float* scales, float* minimums, ref TFloat rest)
        {
            if (Sse.IsSupported)
            {
                for (var i = 0; i < TFormat.ChunkBytes; i += 64)
                    Sse.Prefetch0(chunk + PrefetchBytes + i);
            }

            TFormat.Scales(chunk, groups, scales, minimums);
            if (TFormat.HasMinimum)
                rest = TSimd.MultiplyAdd(minimums, x.Sums + group, rest);
            if (!TFormat.HasHalfScales)
            {
                TSimd.Multiply(scales, x.Scales + group);
                return;
            }

            for (var i = 0; i < BlockMatrix.ChunkGroups; i++)
            {
                scales[2 * i] *= x.Scales[group + i];
                scales[(2 * i) + 1] *= x.Scales[group + i];
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static void Add(byte* first, byte* second, int pair, bool isOdd, sbyte* numbers, int* starts, float* scales, ref TFloat firstSum, ref TFloat secondSum)
        {
            TFormat.Load(first, pair, isOdd, out var a, out var b);
            TFormat.Load(second, pair, isOdd, out var c, out var d);
            var firstDot = TSimd.Dot(a, b, numbers, starts, TFormat.Offset == 128);
            var secondDot = TSimd.Dot(c, d, numbers, starts, TFormat.Offset == 128);
            var at = (2 * pair) + (isOdd ? 1 : 0);
            if (TFormat.HasHalfScales)
            {
                firstSum = TSimd.MultiplyAdd(firstDot, scales[2 * at], scales[(2 * at) + 1], firstSum);
                secondSum = TSimd.MultiplyAdd(secondDot, scales[16 + (2 * at)], scales[17 + (2 * at)], secondSum);
            }
            else
            {
                firstSum = TSimd.MultiplyAdd(firstDot, scales[at], firstSum);
                secondSum = TSimd.MultiplyAdd(secondDot, scales[16 + at], secondSum);
            }
        }
    }
}
