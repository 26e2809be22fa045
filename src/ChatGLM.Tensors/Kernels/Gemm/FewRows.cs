using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace ChatGLM.Tensors.Kernels;

/// <summary>
/// x W^T + bias for so few rows of x that reading the weight is all the work, as in decoding: each weight row is streamed once, widened in registers, and multiplied with all rows of x.
/// The hardware's prefetcher stops at the end of a page, so the streams are prefetched by hand. Which kernel computes an
/// output depends on the shape alone, so the bits do not depend on the number of threads.
/// </summary>
internal static unsafe class FewRows<TSimd, TVec, TFormat>
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
    where TFormat : struct, IPairFormat
{
    // Eight streams, each this far ahead.
    private const int PrefetchBytes = 1536;

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

        var tasks = Math.Clamp(pool.TasksFor((long)outputs * inputs * TFormat.BitsPerElement / 8, SmallestTaskBytes), 1, (outputs + 7) / 8);
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
            // Cut at multiples of eight, so that the kernel an output is computed by does not depend on the number of tasks.
            var octets = (outputs + 7) / 8;
            var output = (int)((long)octets * task / tasks) * 8;
            var end = (int)Math.Min(outputs, (long)octets * (task + 1) / tasks * 8);
            var rowBytes = (nint)inputs * TFormat.BitsPerElement / 8;
            var most = rows == 1 ? 8 : 4;
            for (int count; output < end; output += count)
            {
                // What is left in the end goes row by row, each in the place of all.
                count = output <= end - most ? most : 1;
                var w = weight + (output * rowBytes);
                var stride = count == 1 ? 0 : rowBytes;
                if (rows == 1)
                    EightOutputs(w, stride, output, count);
                for (var row = 0; row < rows && rows > 1; row += 4)
                    FourRowsOfFourOutputs(w, stride, row, output, count);
            }
        }

        /// <summary>One row of x times eight rows of the weight, of which <paramref name="count"/> are stored: a load of x serves all, and memory has eight streams to keep up.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        [SkipLocalsInit]
        private void EightOutputs(byte* w, nint stride, int output, int count)
        {
            // No call may stand behind the loop: the sums would be spilled in every turn of it.
            var blockBytes = BlockBytes;
            var blockElements = BlockElements;
            var padded = xStride;
            var tail = stackalloc byte[8 * BlockElements * sizeof(float)];
            var whole = inputs / BlockElements * BlockElements;
            CopyTail(w, stride, whole, 8, tail);
            var x0 = x;
            TVec sum0 = TSimd.Zero, sum1 = TSimd.Zero, sum2 = TSimd.Zero, sum3 = TSimd.Zero;
            TVec sum4 = TSimd.Zero, sum5 = TSimd.Zero, sum6 = TSimd.Zero, sum7 = TSimd.Zero;
            var w4 = w + (4 * stride);
            var stride3 = 3 * stride;
            var (aheadStride, aheadStride3) = (stride, stride3);
            var ahead = w + PrefetchBytes;
            var ahead4 = w4 + PrefetchBytes;
            var turn = padded - (PrefetchBytes * 8 / TFormat.BitsPerElement);
            for (var i = 0; i < padded; i += blockElements)
            {
                if (i == whole)
                {
                    w = tail;
                    w4 = tail + (4 * blockBytes);
                    stride = blockBytes;
                    stride3 = 3 * blockBytes;
                }

                // What comes after the end of these rows is the beginning of the next eight.
                if (i == turn)
                {
                    ahead += 7 * aheadStride;
                    ahead4 += 7 * aheadStride;
                }

                Prefetch(ahead);
                Prefetch(ahead + aheadStride);
                Prefetch(ahead + (2 * aheadStride));
                Prefetch(ahead + aheadStride3);
                Prefetch(ahead4);
                Prefetch(ahead4 + aheadStride);
                Prefetch(ahead4 + (2 * aheadStride));
                Prefetch(ahead4 + aheadStride3);
                TVec xa = TSimd.Load(x0 + i), xb = TSimd.Load(x0 + i + TSimd.Count);
                sum0 = Add(sum0, w, xa, xb);
                sum1 = Add(sum1, w + stride, xa, xb);
                sum2 = Add(sum2, w + (2 * stride), xa, xb);
                sum3 = Add(sum3, w + stride3, xa, xb);
                sum4 = Add(sum4, w4, xa, xb);
                sum5 = Add(sum5, w4 + stride, xa, xb);
                sum6 = Add(sum6, w4 + (2 * stride), xa, xb);
                sum7 = Add(sum7, w4 + stride3, xa, xb);
                w += blockBytes;
                w4 += blockBytes;
                ahead += blockBytes;
                ahead4 += blockBytes;
            }

            Store(0, output, sum0);
            if (count == 1)
                return;
            Store(0, output + 1, sum1);
            Store(0, output + 2, sum2);
            Store(0, output + 3, sum3);
            Store(0, output + 4, sum4);
            Store(0, output + 5, sum5);
            Store(0, output + 6, sum6);
            Store(0, output + 7, sum7);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static TVec Add(TVec sum, byte* w, TVec xa, TVec xb)
        {
            TFormat.LoadPair<TSimd, TVec>(w, out var a, out var b);
            return TSimd.MultiplyAdd(b, xb, TSimd.MultiplyAdd(a, xa, sum));
        }

        /// <summary>Up to four rows of x times four rows of the weight: each load and each widening serves four. Rows that are not there repeat the last one.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        [SkipLocalsInit]
        private void FourRowsOfFourOutputs(byte* w, nint stride, int row, int output, int outputCount)
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
            var ahead = w + PrefetchBytes;
            var turn = padded - (PrefetchBytes * 8 / TFormat.BitsPerElement);
            var rowBytes = stride;
            for (var i = 0; i < padded; i += blockElements)
            {
                if (i == whole)
                {
                    w = tail;
                    stride = blockBytes;
                }

                // What comes after the end of these rows is the beginning of the next four.
                if (i == turn)
                    ahead += 3 * rowBytes;
                Prefetch(ahead);
                Prefetch(ahead + rowBytes);
                Prefetch(ahead + (2 * rowBytes));
                Prefetch(ahead + (3 * rowBytes));
                ahead += blockBytes;
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

            Store(row, output, outputCount, sum00, sum10, sum20, sum30);
            if (count > 1)
                Store(row + 1, output, outputCount, sum01, sum11, sum21, sum31);
            if (count > 2)
                Store(row + 2, output, outputCount, sum02, sum12, sum22, sum32);
            if (count > 3)
                Store(row + 3, output, outputCount, sum03, sum13, sum23, sum33);
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
        private void Store(int row, int output, int count, TVec sum0, TVec sum1, TVec sum2, TVec sum3)
        {
            Store(row, output, sum0);
            if (count == 1)
                return;
            Store(row, output + 1, sum1);
            Store(row, output + 2, sum2);
            Store(row, output + 3, sum3);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private void Store(int row, int output, TVec lanes)
        {
            var sum = TSimd.Sum(lanes);
            if (TFormat.PairExponent != 0)
                sum = sum * PowerOfTwo(-LargestExponent - TFormat.PairExponent) * scales[row];
            if (weightScales != null)
                sum *= weightScales[output];
            result[((nint)row * outputs) + output] = bias == null ? sum : sum + bias[output];
        }
    }

    /// <summary>The lines of a block, into level 2: to level 1 there are fewer requests under way than the memory can serve.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Prefetch(byte* at)
    {
        if (!Sse.IsSupported || TSimd.Count == 1)
            return;
        Sse.Prefetch1(at);
        if (BlockBytes > 64)
            Sse.Prefetch1(at + 64);
    }
}
