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
    // Rows of x for which a row of the weight is taken apart once.
    private const int FourRows = 4;
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
                var row = 0;
                for (; row <= rows - FourRows; row += FourRows)
                {
                    MultiplyFour(first, row);
                    MultiplyFour(second, row);
                }

                for (; row < rows; row++)
                {
                    // The second row of x finds the weight in the cache.
                    Multiply(first, second, row, out var a, out var b);
                    Put(first, row, a);
                    Put(second, row, b);
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
                Prefetch(first);
                Prefetch(second);
                TFormat.Scales(first, groups, scales, minimums);
                TFormat.Scales(second, groups, scales + 16, minimums + 8);
                Prepare(group, scales, scales, minimums, ref firstRest);
                Prepare(group, scales + 16, scales + 16, minimums + 8, ref secondRest);
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

            firstResult = Sum(firstSum, firstRest);
            secondResult = Sum(secondSum, secondRest);
        }

        /// <summary>Four rows of x with one of the weight.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        [SkipLocalsInit]
        private void MultiplyFour(int output, int row)
        {
            var scales = stackalloc float[16];
            var minimums = stackalloc float[8];
            var own = stackalloc float[FourRows * 16];
            var data = weight.Row(output);
            var (group, stride) = ((nint)row * x.Stride, (nint)x.Stride);
            TFloat sum0 = TSimd.Zero, sum1 = TSimd.Zero, sum2 = TSimd.Zero, sum3 = TSimd.Zero;
            TFloat rest0 = TSimd.Zero, rest1 = TSimd.Zero, rest2 = TSimd.Zero, rest3 = TSimd.Zero;
            for (var left = x.Groups; left > 0; left -= BlockMatrix.ChunkGroups, group += BlockMatrix.ChunkGroups)
            {
                var groups = Math.Min(left, BlockMatrix.ChunkGroups);
                Prefetch(data);
                TFormat.Scales(data, groups, scales, minimums);
                Prepare(group, scales, own, minimums, ref rest0);
                Prepare(group + stride, scales, own + 16, minimums, ref rest1);
                Prepare(group + (2 * stride), scales, own + 32, minimums, ref rest2);
                Prepare(group + (3 * stride), scales, own + 48, minimums, ref rest3);
                for (var pair = 0; pair < groups / 2; pair++)
                {
                    AddFour(data, pair, isOdd: false, group, own, ref sum0, ref sum1, ref sum2, ref sum3);
                    AddFour(data, pair, isOdd: true, group, own, ref sum0, ref sum1, ref sum2, ref sum3);
                }

                if (groups % 2 != 0)
                    AddFour(data, groups / 2, isOdd: false, group, own, ref sum0, ref sum1, ref sum2, ref sum3);
                data += TFormat.ChunkBytes;
            }

            Put(output, row, Sum(sum0, rest0));
            Put(output, row + 1, Sum(sum1, rest1));
            Put(output, row + 2, Sum(sum2, rest2));
            Put(output, row + 3, Sum(sum3, rest3));
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private void AddFour(byte* data, int pair, bool isOdd, nint group, float* scales, ref TFloat sum0, ref TFloat sum1, ref TFloat sum2, ref TFloat sum3)
        {
            TFormat.Load(data, pair, isOdd, out var first, out var second);
            var at = (2 * pair) + (isOdd ? 1 : 0);
            var numbers = x.Numbers + ((group + at) * BlockMatrix.GroupColumns);
            var starts = x.Starts + ((group + at) * 8);
            var (nextNumbers, nextStarts) = ((nint)x.Stride * BlockMatrix.GroupColumns, (nint)x.Stride * 8);
            sum0 = AddScaled(TSimd.Dot(first, second, numbers, starts, TFormat.Offset == 128), scales, at, sum0);
            sum1 = AddScaled(TSimd.Dot(first, second, numbers + nextNumbers, starts + nextStarts, TFormat.Offset == 128), scales + 16, at, sum1);
            sum2 = AddScaled(TSimd.Dot(first, second, numbers + (2 * nextNumbers), starts + (2 * nextStarts), TFormat.Offset == 128), scales + 32, at, sum2);
            sum3 = AddScaled(TSimd.Dot(first, second, numbers + (3 * nextNumbers), starts + (3 * nextStarts), TFormat.Offset == 128), scales + 48, at, sum3);
        }

        private void Put(int output, int row, float value) => result[((nint)row * weight.Outputs) + output] = bias == null ? value : value + bias[output];

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static float Sum(TFloat sum, TFloat rest) => TFormat.HasMinimum ? TSimd.Sum(sum) + TSimd.Sum(rest) : TSimd.Sum(sum);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static void Prefetch(byte* chunk)
        {
            if (!Sse.IsSupported)
                return;
            for (var i = 0; i < TFormat.ChunkBytes; i += 64)
                Sse.Prefetch0(chunk + PrefetchBytes + i);
        }

        /// <summary>The scales of a chunk times those of a row of activations, and what its minimums come to.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private void Prepare(nint group, float* scales, float* target, float* minimums, ref TFloat rest)
        {
            if (TFormat.HasMinimum)
                rest = TSimd.MultiplyAdd(minimums, x.Sums + group, rest);
            if (!TFormat.HasHalfScales)
            {
                TSimd.Multiply(scales, x.Scales + group, target);
                return;
            }

            for (var i = 0; i < BlockMatrix.ChunkGroups; i++)
            {
                target[2 * i] = scales[2 * i] * x.Scales[group + i];
                target[(2 * i) + 1] = scales[(2 * i) + 1] * x.Scales[group + i];
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
            firstSum = AddScaled(firstDot, scales, at, firstSum);
            secondSum = AddScaled(secondDot, scales + 16, at, secondSum);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static TFloat AddScaled(TFloat dot, float* scales, int group, TFloat sum) => TFormat.HasHalfScales
            ? TSimd.MultiplyAdd(dot, scales[2 * group], scales[(2 * group) + 1], sum)
            : TSimd.MultiplyAdd(dot, scales[group], sum);
    }
}
