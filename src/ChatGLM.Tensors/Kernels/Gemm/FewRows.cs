using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace ChatGLM.Tensors.Kernels;

/// <summary>
/// x W^T + bias for so few rows of x that reading the weight is all the work, as in decoding: each weight row is streamed once, widened in registers, and multiplied with all rows of x.
/// The hardware's prefetcher stops at the end of a page, so the stream is prefetched by hand. Every product is one pair of chains of multiply-adds over the row, whatever rows
/// it is computed together with, so the bits do not depend on the number of threads.
/// </summary>
internal static unsafe class FewRows<TSimd, TVec, TFormat>
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
    where TFormat : struct, IElementFormat
{
    private const int PrefetchBytes = 4096;
    private const long SmallestTaskBytes = 64 << 10;

    private static int BlockElements => 2 * TSimd.Count;

    /// <summary>Computes result [rows, outputs] = x [rows, inputs] weight [outputs, inputs]^T + bias.</summary>
    public static void Run(WorkerPool pool, int rows, int outputs, int inputs, float* x, byte* weight, float* bias, float* result)
    {
        if (rows == 0 || outputs == 0)
            return;
        var padded = (inputs + BlockElements - 1) / BlockElements * BlockElements;
        using var scratch = pool.RentScratch(sizeof(float) * (long)rows * padded);
        var arranged = (float*)scratch.Pointer;
        for (var row = 0; row < rows; row++)
            Arrange(x + ((nint)row * inputs), inputs, arranged + ((nint)row * padded));
        var tasks = Math.Clamp(pool.TasksFor((long)outputs * inputs * TFormat.SizeInBytes, SmallestTaskBytes), 1, outputs);
        pool.Run(tasks, new Product(rows, outputs, inputs, arranged, padded, weight, bias, result, tasks));
    }

    /// <summary>Copies a row of x into the order in which <see cref="IElementFormat.LoadPair"/> gives the weights, with zeros up to a whole block.</summary>
    private static void Arrange(float* source, int count, float* target)
    {
        if (!TFormat.PairsAreInterleaved)
        {
            new ReadOnlySpan<float>(source, count).CopyTo(new Span<float>(target, count));
            new Span<float>(target + count, (BlockElements - (count % BlockElements)) % BlockElements).Clear();
            return;
        }

        for (var start = 0; start < count; start += BlockElements)
        {
            for (var i = 0; i < TSimd.Count; i++)
            {
                var even = start + (2 * i);
                target[start + i] = even < count ? source[even] : 0;
                target[start + TSimd.Count + i] = even + 1 < count ? source[even + 1] : 0;
            }
        }
    }

    private readonly struct Product(int rows, int outputs, int inputs, float* x, int xStride, byte* weight, float* bias, float* result, int tasks) : IParallelBody
    {
        public void Run(int task)
        {
            var output = (int)((long)outputs * task / tasks);
            var end = (int)((long)outputs * (task + 1) / tasks);
            var rowBytes = (nint)inputs * TFormat.SizeInBytes;
            if (rows == 1)
            {
                for (; output <= end - 4; output += 4)
                    FourOutputs(weight + (output * rowBytes), rowBytes, output);
                for (; output < end; output++)
                    FourRows(weight + (output * rowBytes), 0, output);
                return;
            }

            for (; output < end; output++)
            {
                for (var row = 0; row < rows; row += 4)
                    FourRows(weight + (output * rowBytes), row, output);
            }
        }

        /// <summary>One row of x times four rows of the weight: a load of x serves four.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void FourOutputs(byte* w, nint rowBytes, int output)
        {
            TVec sum0a = TSimd.Zero, sum0b = TSimd.Zero, sum1a = TSimd.Zero, sum1b = TSimd.Zero;
            TVec sum2a = TSimd.Zero, sum2b = TSimd.Zero, sum3a = TSimd.Zero, sum3b = TSimd.Zero;
            var blocks = inputs / BlockElements;
            var blockBytes = BlockElements * TFormat.SizeInBytes;
            var at = x;
            for (var block = 0; block < blocks; block++)
            {
                TVec xa = TSimd.Load(at), xb = TSimd.Load(at + TSimd.Count);
                Prefetch(w);
                Prefetch(w + rowBytes);
                Prefetch(w + (2 * rowBytes));
                Prefetch(w + (3 * rowBytes));
                TFormat.LoadPair<TSimd, TVec>(w, out var a, out var b);
                sum0a = TSimd.MultiplyAdd(a, xa, sum0a);
                sum0b = TSimd.MultiplyAdd(b, xb, sum0b);
                TFormat.LoadPair<TSimd, TVec>(w + rowBytes, out a, out b);
                sum1a = TSimd.MultiplyAdd(a, xa, sum1a);
                sum1b = TSimd.MultiplyAdd(b, xb, sum1b);
                TFormat.LoadPair<TSimd, TVec>(w + (2 * rowBytes), out a, out b);
                sum2a = TSimd.MultiplyAdd(a, xa, sum2a);
                sum2b = TSimd.MultiplyAdd(b, xb, sum2b);
                TFormat.LoadPair<TSimd, TVec>(w + (3 * rowBytes), out a, out b);
                sum3a = TSimd.MultiplyAdd(a, xa, sum3a);
                sum3b = TSimd.MultiplyAdd(b, xb, sum3b);
                w += blockBytes;
                at += BlockElements;
            }

            var rest = inputs - (blocks * BlockElements);
            if (rest != 0)
            {
                TVec xa = TSimd.Load(at), xb = TSimd.Load(at + TSimd.Count);
                LoadRest(w, rest, out var a, out var b);
                sum0a = TSimd.MultiplyAdd(a, xa, sum0a);
                sum0b = TSimd.MultiplyAdd(b, xb, sum0b);
                LoadRest(w + rowBytes, rest, out a, out b);
                sum1a = TSimd.MultiplyAdd(a, xa, sum1a);
                sum1b = TSimd.MultiplyAdd(b, xb, sum1b);
                LoadRest(w + (2 * rowBytes), rest, out a, out b);
                sum2a = TSimd.MultiplyAdd(a, xa, sum2a);
                sum2b = TSimd.MultiplyAdd(b, xb, sum2b);
                LoadRest(w + (3 * rowBytes), rest, out a, out b);
                sum3a = TSimd.MultiplyAdd(a, xa, sum3a);
                sum3b = TSimd.MultiplyAdd(b, xb, sum3b);
            }

            Store(0, output, sum0a, sum0b);
            Store(0, output + 1, sum1a, sum1b);
            Store(0, output + 2, sum2a, sum2b);
            Store(0, output + 3, sum3a, sum3b);
        }

        /// <summary>Up to four rows of x times one row of the weight: widening serves four. Rows that are not there repeat the last one.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void FourRows(byte* w, int row, int output)
        {
            var count = Math.Min(4, rows - row);
            var x0 = x + ((nint)row * xStride);
            var x1 = count > 1 ? x0 + xStride : x0;
            var x2 = count > 2 ? x1 + xStride : x1;
            var x3 = count > 3 ? x2 + xStride : x2;
            TVec sum0a = TSimd.Zero, sum0b = TSimd.Zero, sum1a = TSimd.Zero, sum1b = TSimd.Zero;
            TVec sum2a = TSimd.Zero, sum2b = TSimd.Zero, sum3a = TSimd.Zero, sum3b = TSimd.Zero;
            var i = 0;
            for (; i <= inputs - BlockElements; i += BlockElements)
            {
                Prefetch(w);
                TFormat.LoadPair<TSimd, TVec>(w, out var a, out var b);
                sum0a = TSimd.MultiplyAdd(a, TSimd.Load(x0 + i), sum0a);
                sum0b = TSimd.MultiplyAdd(b, TSimd.Load(x0 + i + TSimd.Count), sum0b);
                sum1a = TSimd.MultiplyAdd(a, TSimd.Load(x1 + i), sum1a);
                sum1b = TSimd.MultiplyAdd(b, TSimd.Load(x1 + i + TSimd.Count), sum1b);
                sum2a = TSimd.MultiplyAdd(a, TSimd.Load(x2 + i), sum2a);
                sum2b = TSimd.MultiplyAdd(b, TSimd.Load(x2 + i + TSimd.Count), sum2b);
                sum3a = TSimd.MultiplyAdd(a, TSimd.Load(x3 + i), sum3a);
                sum3b = TSimd.MultiplyAdd(b, TSimd.Load(x3 + i + TSimd.Count), sum3b);
                w += BlockElements * TFormat.SizeInBytes;
            }

            if (i < inputs)
            {
                LoadRest(w, inputs - i, out var a, out var b);
                sum0a = TSimd.MultiplyAdd(a, TSimd.Load(x0 + i), sum0a);
                sum0b = TSimd.MultiplyAdd(b, TSimd.Load(x0 + i + TSimd.Count), sum0b);
                sum1a = TSimd.MultiplyAdd(a, TSimd.Load(x1 + i), sum1a);
                sum1b = TSimd.MultiplyAdd(b, TSimd.Load(x1 + i + TSimd.Count), sum1b);
                sum2a = TSimd.MultiplyAdd(a, TSimd.Load(x2 + i), sum2a);
                sum2b = TSimd.MultiplyAdd(b, TSimd.Load(x2 + i + TSimd.Count), sum2b);
                sum3a = TSimd.MultiplyAdd(a, TSimd.Load(x3 + i), sum3a);
                sum3b = TSimd.MultiplyAdd(b, TSimd.Load(x3 + i + TSimd.Count), sum3b);
            }

            Store(row, output, sum0a, sum0b);
            if (count > 1)
                Store(row + 1, output, sum1a, sum1b);
            if (count > 2)
                Store(row + 2, output, sum2a, sum2b);
            if (count > 3)
                Store(row + 3, output, sum3a, sum3b);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private void Store(int row, int output, TVec a, TVec b)
        {
            var sum = TSimd.Sum(TSimd.Add(a, b));
            result[((nint)row * outputs) + output] = bias == null ? sum : sum + bias[output];
        }
    }

    /// <summary>The last elements of a row, filled up with zeros: nothing beyond the row is read, it may be the end of a mapped file.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void LoadRest(byte* source, int count, out TVec first, out TVec second)
    {
        var block = stackalloc byte[BlockElements * TFormat.SizeInBytes];
        var bytes = count * TFormat.SizeInBytes;
        new ReadOnlySpan<byte>(source, bytes).CopyTo(new Span<byte>(block, bytes));
        new Span<byte>(block + bytes, (BlockElements * TFormat.SizeInBytes) - bytes).Clear();
        TFormat.LoadPair<TSimd, TVec>(block, out first, out second);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Prefetch(byte* at)
    {
        if (Sse.IsSupported)
            Sse.Prefetch0(at + PrefetchBytes);
    }
}
