using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace ChatGLM.Tensors.Kernels;

/// <summary>
/// x W^T + bias for so few rows of x that reading the weight is all the work, as in decoding: each weight row is streamed once, widened in registers, and multiplied with all rows of x.
/// The hardware's prefetcher stops at the end of a page, so the stream is prefetched by hand. Which kernel computes an
/// output depends on the shape alone, so the bits do not depend on the number of threads.
/// </summary>
internal static unsafe class FewRows<TSimd, TVec, TFormat>
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
    where TFormat : struct, IPairFormat
{
    private const int PrefetchBytes = 4096;
    // Where weights come scaled up, x is scaled to at most 2^-19: then no sum of fewer than 2^19 terms overflows that does not overflow anyway.
    private const int LargestExponent = -20;
    private const long SmallestTaskBytes = 64 << 10;

    private static int BlockElements
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => 2 * TSimd.Count;
    }

    private static nint BlockBytes
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => (nint)BlockElements * TFormat.BitsPerElement / 8;
    }

    /// <summary>Computes result [rows, outputs] = x [rows, inputs] weight [outputs, inputs]^T + bias. Each row of the weight counts times its scale, where those are not null.</summary>
    public static void Run(WorkerPool pool, int rows, int outputs, int inputs, float* x, byte* weight, float* weightScales, float* bias, float* result)
    {
        if (rows == 0 || outputs == 0)
            return;
        var padded = (inputs + BlockElements - 1) / BlockElements * BlockElements;
        using var scratch = pool.RentScratch(sizeof(float) * (long)rows * (padded + 1));
        var arranged = (float*)scratch.Pointer;
        var scales = arranged + ((nint)rows * padded);
        for (var row = 0; row < rows; row++)
        {
            var source = x + ((nint)row * inputs);
            var exponent = TFormat.PairExponent == 0 || inputs == 0 ? 0 : Exponent(new ReadOnlySpan<float>(source, inputs));
            scales[row] = PowerOfTwo(exponent);
            Arrange(source, inputs, PowerOfTwo(LargestExponent - exponent), arranged + ((nint)row * padded));
        }

        var tasks = Math.Clamp(pool.TasksFor((long)outputs * inputs * TFormat.BitsPerElement / 8, SmallestTaskBytes), 1, (outputs + 3) / 4);
        pool.Run(tasks, new Product(rows, outputs, inputs, arranged, padded, scales, weight, weightScales, bias, result, tasks));
    }

    /// <summary>Copies a row of x into the order in which <see cref="IPairFormat.LoadPair"/> gives the weights, with zeros up to a whole block and for denormal numbers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Arrange(float* source, int count, float scale, float* target)
    {
        var i = 0;
        for (; i <= count - BlockElements; i += BlockElements)
            ArrangeBlock(source + i, scale, target + i);
        if (i == count)
            return;
        var block = stackalloc float[BlockElements];
        new ReadOnlySpan<float>(source + i, count - i).CopyTo(new Span<float>(block, BlockElements));
        new Span<float>(block + count - i, BlockElements - (count - i)).Clear();
        ArrangeBlock(block, scale, target + i);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void ArrangeBlock(float* source, float scale, float* target)
    {
        TVec a, b;
        if (TFormat.PairsAreInterleaved)
            TSimd.Deinterleave(source, out a, out b);
        else
            (a, b) = (TSimd.Load(source), TSimd.Load(source + TSimd.Count));
        TSimd.Store(target, Scale(TSimd.FlushDenormals(a), scale));
        TSimd.Store(target + TSimd.Count, Scale(TSimd.FlushDenormals(b), scale));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVec Scale(TVec value, float scale) =>
        TFormat.PairExponent == 0 ? value : TSimd.FlushDenormals(TSimd.Multiply(value, TSimd.Broadcast(scale)));

    /// <summary>The power of two of the largest value, as far as the scale it leads to is a normal number.</summary>
    private static int Exponent(ReadOnlySpan<float> values)
    {
        var largest = BitConverter.SingleToInt32Bits(TensorPrimitives.MaxMagnitude(values));
        return Math.Clamp(((largest >> 23) & 0xFF) - 127, -126, 126 + LargestExponent);
    }

    private static float PowerOfTwo(int exponent) => BitConverter.Int32BitsToSingle((exponent + 127) << 23);

    private readonly struct Product(int rows, int outputs, int inputs, float* x, int xStride, float* scales, byte* weight, float* weightScales, float* bias, float* result, int tasks) : IParallelBody
    {
        public void Run(int task)
        {
            // Cut at multiples of four, so that the kernel an output is computed by does not depend on the number of tasks.
            var quads = (outputs + 3) / 4;
            var output = (int)((long)quads * task / tasks) * 4;
            var end = (int)Math.Min(outputs, (long)quads * (task + 1) / tasks * 4);
            var rowBytes = (nint)inputs * TFormat.BitsPerElement / 8;
            for (; output <= end - 4; output += 4)
            {
                if (rows == 1)
                    FourOutputs(weight + (output * rowBytes), rowBytes, output);
                for (var row = 0; row < rows && rows > 1; row += 4)
                    FourRowsOfFourOutputs(weight + (output * rowBytes), rowBytes, row, output);
            }

            for (; output < end; output++)
            {
                for (var row = 0; row < rows; row += 4)
                    FourRows(weight + (output * rowBytes), row, output);
            }
        }

        /// <summary>One row of x times four rows of the weight: a load of x serves four.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        [SkipLocalsInit]
        private void FourOutputs(byte* w, nint stride, int output)
        {
            // No call may stand behind the loop: the sums would be spilled in every turn of it.
            var blockBytes = BlockBytes;
            var blockElements = BlockElements;
            var padded = xStride;
            var tail = stackalloc byte[4 * BlockElements * sizeof(float)];
            var whole = inputs / BlockElements * BlockElements;
            CopyTail(w, stride, whole, 4, tail);
            var x0 = x;
            TVec sum0a = TSimd.Zero, sum0b = TSimd.Zero, sum1a = TSimd.Zero, sum1b = TSimd.Zero;
            TVec sum2a = TSimd.Zero, sum2b = TSimd.Zero, sum3a = TSimd.Zero, sum3b = TSimd.Zero;
            for (var i = 0; i < padded; i += blockElements)
            {
                if (i == whole)
                {
                    w = tail;
                    stride = blockBytes;
                }

                Prefetch(w);
                Prefetch(w + stride);
                Prefetch(w + (2 * stride));
                Prefetch(w + (3 * stride));
                TVec xa = TSimd.Load(x0 + i), xb = TSimd.Load(x0 + i + TSimd.Count);
                TFormat.LoadPair<TSimd, TVec>(w, out var a, out var b);
                sum0a = TSimd.MultiplyAdd(a, xa, sum0a);
                sum0b = TSimd.MultiplyAdd(b, xb, sum0b);
                TFormat.LoadPair<TSimd, TVec>(w + stride, out a, out b);
                sum1a = TSimd.MultiplyAdd(a, xa, sum1a);
                sum1b = TSimd.MultiplyAdd(b, xb, sum1b);
                TFormat.LoadPair<TSimd, TVec>(w + (2 * stride), out a, out b);
                sum2a = TSimd.MultiplyAdd(a, xa, sum2a);
                sum2b = TSimd.MultiplyAdd(b, xb, sum2b);
                TFormat.LoadPair<TSimd, TVec>(w + (3 * stride), out a, out b);
                sum3a = TSimd.MultiplyAdd(a, xa, sum3a);
                sum3b = TSimd.MultiplyAdd(b, xb, sum3b);
                w += blockBytes;
            }

            Store(0, output, sum0a, sum0b);
            Store(0, output + 1, sum1a, sum1b);
            Store(0, output + 2, sum2a, sum2b);
            Store(0, output + 3, sum3a, sum3b);
        }

        /// <summary>Up to four rows of x times four rows of the weight: each load and each widening serves four. Rows that are not there repeat the last one.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        [SkipLocalsInit]
        private void FourRowsOfFourOutputs(byte* w, nint stride, int row, int output)
        {
            var count = Math.Min(4, rows - row);
            var x0 = x + ((nint)row * xStride);
            var x1 = count > 1 ? x0 + xStride : x0;
            var x2 = count > 2 ? x1 + xStride : x1;
            var x3 = count > 3 ? x2 + xStride : x2;
            // No call may stand behind the loop: the sums would be spilled in every turn of it.
            var blockBytes = BlockBytes;
            var blockElements = BlockElements;
            var padded = xStride;
            var tail = stackalloc byte[4 * BlockElements * sizeof(float)];
            var whole = inputs / BlockElements * BlockElements;
            CopyTail(w, stride, whole, 4, tail);
            TVec sum00 = TSimd.Zero, sum01 = TSimd.Zero, sum02 = TSimd.Zero, sum03 = TSimd.Zero;
            TVec sum10 = TSimd.Zero, sum11 = TSimd.Zero, sum12 = TSimd.Zero, sum13 = TSimd.Zero;
            TVec sum20 = TSimd.Zero, sum21 = TSimd.Zero, sum22 = TSimd.Zero, sum23 = TSimd.Zero;
            TVec sum30 = TSimd.Zero, sum31 = TSimd.Zero, sum32 = TSimd.Zero, sum33 = TSimd.Zero;
            for (var i = 0; i < padded; i += blockElements)
            {
                if (i == whole)
                {
                    w = tail;
                    stride = blockBytes;
                }

                Prefetch(w);
                Prefetch(w + stride);
                Prefetch(w + (2 * stride));
                Prefetch(w + (3 * stride));
                TFormat.LoadPair<TSimd, TVec>(w, out var a, out var b);
                sum00 = TSimd.MultiplyAdd(a, TSimd.Load(x0 + i), sum00);
                sum01 = TSimd.MultiplyAdd(a, TSimd.Load(x1 + i), sum01);
                sum02 = TSimd.MultiplyAdd(a, TSimd.Load(x2 + i), sum02);
                sum03 = TSimd.MultiplyAdd(a, TSimd.Load(x3 + i), sum03);
                sum00 = TSimd.MultiplyAdd(b, TSimd.Load(x0 + i + TSimd.Count), sum00);
                sum01 = TSimd.MultiplyAdd(b, TSimd.Load(x1 + i + TSimd.Count), sum01);
                sum02 = TSimd.MultiplyAdd(b, TSimd.Load(x2 + i + TSimd.Count), sum02);
                sum03 = TSimd.MultiplyAdd(b, TSimd.Load(x3 + i + TSimd.Count), sum03);
                TFormat.LoadPair<TSimd, TVec>(w + stride, out a, out b);
                sum10 = TSimd.MultiplyAdd(a, TSimd.Load(x0 + i), sum10);
                sum11 = TSimd.MultiplyAdd(a, TSimd.Load(x1 + i), sum11);
                sum12 = TSimd.MultiplyAdd(a, TSimd.Load(x2 + i), sum12);
                sum13 = TSimd.MultiplyAdd(a, TSimd.Load(x3 + i), sum13);
                sum10 = TSimd.MultiplyAdd(b, TSimd.Load(x0 + i + TSimd.Count), sum10);
                sum11 = TSimd.MultiplyAdd(b, TSimd.Load(x1 + i + TSimd.Count), sum11);
                sum12 = TSimd.MultiplyAdd(b, TSimd.Load(x2 + i + TSimd.Count), sum12);
                sum13 = TSimd.MultiplyAdd(b, TSimd.Load(x3 + i + TSimd.Count), sum13);
                TFormat.LoadPair<TSimd, TVec>(w + (2 * stride), out a, out b);
                sum20 = TSimd.MultiplyAdd(a, TSimd.Load(x0 + i), sum20);
                sum21 = TSimd.MultiplyAdd(a, TSimd.Load(x1 + i), sum21);
                sum22 = TSimd.MultiplyAdd(a, TSimd.Load(x2 + i), sum22);
                sum23 = TSimd.MultiplyAdd(a, TSimd.Load(x3 + i), sum23);
                sum20 = TSimd.MultiplyAdd(b, TSimd.Load(x0 + i + TSimd.Count), sum20);
                sum21 = TSimd.MultiplyAdd(b, TSimd.Load(x1 + i + TSimd.Count), sum21);
                sum22 = TSimd.MultiplyAdd(b, TSimd.Load(x2 + i + TSimd.Count), sum22);
                sum23 = TSimd.MultiplyAdd(b, TSimd.Load(x3 + i + TSimd.Count), sum23);
                TFormat.LoadPair<TSimd, TVec>(w + (3 * stride), out a, out b);
                sum30 = TSimd.MultiplyAdd(a, TSimd.Load(x0 + i), sum30);
                sum31 = TSimd.MultiplyAdd(a, TSimd.Load(x1 + i), sum31);
                sum32 = TSimd.MultiplyAdd(a, TSimd.Load(x2 + i), sum32);
                sum33 = TSimd.MultiplyAdd(a, TSimd.Load(x3 + i), sum33);
                sum30 = TSimd.MultiplyAdd(b, TSimd.Load(x0 + i + TSimd.Count), sum30);
                sum31 = TSimd.MultiplyAdd(b, TSimd.Load(x1 + i + TSimd.Count), sum31);
                sum32 = TSimd.MultiplyAdd(b, TSimd.Load(x2 + i + TSimd.Count), sum32);
                sum33 = TSimd.MultiplyAdd(b, TSimd.Load(x3 + i + TSimd.Count), sum33);
                w += blockBytes;
            }

            Store(row, output, sum00, sum10, sum20, sum30);
            if (count > 1)
                Store(row + 1, output, sum01, sum11, sum21, sum31);
            if (count > 2)
                Store(row + 2, output, sum02, sum12, sum22, sum32);
            if (count > 3)
                Store(row + 3, output, sum03, sum13, sum23, sum33);
        }

        /// <summary>Up to four rows of x times one row of the weight, for the outputs that are left. Rows that are not there repeat the last one.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        [SkipLocalsInit]
        private void FourRows(byte* w, int row, int output)
        {
            var count = Math.Min(4, rows - row);
            var x0 = x + ((nint)row * xStride);
            var x1 = count > 1 ? x0 + xStride : x0;
            var x2 = count > 2 ? x1 + xStride : x1;
            var x3 = count > 3 ? x2 + xStride : x2;
            // No call may stand behind the loop: the sums would be spilled in every turn of it.
            var blockBytes = BlockBytes;
            var blockElements = BlockElements;
            var padded = xStride;
            var tail = stackalloc byte[4 * BlockElements * sizeof(float)];
            var whole = inputs / BlockElements * BlockElements;
            CopyTail(w, 0, whole, 1, tail);
            TVec sum0a = TSimd.Zero, sum0b = TSimd.Zero, sum1a = TSimd.Zero, sum1b = TSimd.Zero;
            TVec sum2a = TSimd.Zero, sum2b = TSimd.Zero, sum3a = TSimd.Zero, sum3b = TSimd.Zero;
            for (var i = 0; i < padded; i += blockElements)
            {
                if (i == whole)
                    w = tail;

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
                w += blockBytes;
            }

            Store(row, output, sum0a, sum0b);
            if (count > 1)
                Store(row + 1, output, sum1a, sum1b);
            if (count > 2)
                Store(row + 2, output, sum2a, sum2b);
            if (count > 3)
                Store(row + 3, output, sum3a, sum3b);
        }

        /// <summary>The last block of some weight rows, filled up with zeros: nothing behind a row may be read, it can be the end of a mapped file.</summary>
        private void CopyTail(byte* w, nint stride, int whole, int count, byte* tail)
        {
            var bytes = (inputs - whole) * TFormat.BitsPerElement / 8;
            for (var row = 0; row < count && bytes != 0; row++)
            {
                var block = new Span<byte>(tail + (row * BlockBytes), (int)BlockBytes);
                block.Clear();
                new ReadOnlySpan<byte>(w + (row * stride) + ((nint)whole * TFormat.BitsPerElement / 8), bytes).CopyTo(block);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private void Store(int row, int output, TVec sum0, TVec sum1, TVec sum2, TVec sum3)
        {
            Store(row, output, sum0, TSimd.Zero);
            Store(row, output + 1, sum1, TSimd.Zero);
            Store(row, output + 2, sum2, TSimd.Zero);
            Store(row, output + 3, sum3, TSimd.Zero);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private void Store(int row, int output, TVec a, TVec b)
        {
            var sum = TSimd.Sum(TSimd.Add(a, b));
            if (TFormat.PairExponent != 0)
                sum = sum * PowerOfTwo(-LargestExponent - TFormat.PairExponent) * scales[row];
            if (weightScales != null)
                sum *= weightScales[output];
            result[((nint)row * outputs) + output] = bias == null ? sum : sum + bias[output];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Prefetch(byte* at)
    {
        if (Sse.IsSupported)
            Sse.Prefetch0(at + PrefetchBytes);
    }
}
