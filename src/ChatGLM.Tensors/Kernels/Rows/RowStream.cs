using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ChatGLM.Tensors.Kernels;

/// <summary>
/// x W^T + bias over a row-quantized weight for so few rows of x that reading the weight is all the work: eight rows of the weight stream by at once, where they lie (a mapped file is not held twice),
/// and come apart into 16-bit numbers by shifts. Sums over a segment are exact integers, and an output is one chain of multiply-adds over its segments, so the bits depend neither on the
/// instruction set nor on the number of threads or rows.
/// </summary>
internal static unsafe class RowStream<TSimd, TVec, TFormat>
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
    where TFormat : struct, IPairFormat
{
    // Eight streams, each this far ahead.
    private const int PrefetchBytes = 1536;
    private const long SmallestTaskBytes = 64 << 10;

    private static int VectorBytes
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => TSimd.Count * sizeof(int);
    }

    /// <summary>Vectors of a row of the weight in a segment.</summary>
    private static int SegmentVectors
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => RoundedRows.SegmentColumns * TFormat.BitsPerElement / 8 / VectorBytes;
    }

    /// <summary>Computes result [rows, outputs].</summary>
    public static void Run(WorkerPool pool, in RoundedRows x, int outputs, int inputs, in QuantizedOperand weight, float* bias, float* result)
    {
        if (x.Rows == 0 || outputs == 0)
            return;
        var tasks = Math.Clamp(pool.TasksFor((long)outputs * inputs * TFormat.BitsPerElement / 8, SmallestTaskBytes), 1, (outputs + 7) / 8);
        pool.Run(tasks, new Product(x, outputs, inputs, weight, bias, result, tasks));
    }

    private readonly struct Product(RoundedRows x, int outputs, int inputs, QuantizedOperand weight, float* bias, float* result, int tasks) : IParallelBody
    {
        private readonly nint _rowBytes = (nint)inputs * TFormat.BitsPerElement / 8;

        public void Run(int task)
        {
            var octets = (outputs + 7) / 8;
            var output = (int)((long)octets * task / tasks) * 8;
            var end = (int)Math.Min(outputs, (long)octets * (task + 1) / tasks * 8);
            var most = x.Rows == 1 ? 8 : 4;
            for (int count; output < end; output += count)
            {
                // What is left in the end goes row by row, each in the place of all.
                count = output <= end - most ? most : 1;
                var stride = count == 1 ? 0 : _rowBytes;
                if (x.Rows == 1)
                    EightOutputs(stride, output, count);
                for (var row = 0; row < x.Rows && x.Rows > 1; row += 4)
                    FourRowsOfFourOutputs(stride, row, output, count);
            }
        }

        /// <summary>One row of x times eight rows of the weight, of which <paramref name="count"/> are stored: a load of x serves all, and memory has eight streams to keep up.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        [SkipLocalsInit]
        private void EightOutputs(nint stride, int output, int count)
        {
            var tail = stackalloc byte[8 * VectorBytes];
            var w = weight.Data + (output * _rowBytes);
            var whole = (int)(_rowBytes / VectorBytes);
            CopyTail(w, stride, whole, 8, tail);
            var vectors = (int)((_rowBytes + VectorBytes - 1) / VectorBytes);
            var w4 = w + (4 * stride);
            var stride3 = 3 * stride;
            var (aheadStride, aheadStride3) = (stride, stride3);
            var ahead = w + PrefetchBytes;
            var ahead4 = w4 + PrefetchBytes;
            var turn = vectors - (PrefetchBytes / VectorBytes);
            var pairs = (float*)x.Pairs;
            var scales = x.Scales;
            Vector128<float> low = default, high = default;
            for (var vector = 0; vector < vectors;)
            {
                TVec sum0 = TSimd.Zero, sum1 = TSimd.Zero, sum2 = TSimd.Zero, sum3 = TSimd.Zero;
                TVec sum4 = TSimd.Zero, sum5 = TSimd.Zero, sum6 = TSimd.Zero, sum7 = TSimd.Zero;
                var end = Math.Min(vectors, vector + SegmentVectors);
                for (; vector < end; vector++)
                {
                    if (vector == whole)
                    {
                        w = tail;
                        w4 = tail + (4 * VectorBytes);
                        stride = VectorBytes;
                        stride3 = 3 * VectorBytes;
                    }

                    // What comes after the end of these rows is the beginning of the next eight.
                    if (vector == turn)
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
                    TVec x0 = TSimd.Load(pairs), x1 = TSimd.Load(pairs + TSimd.Count), x2 = x0, x3 = x0;
                    if (TFormat.BitsPerElement == 4)
                    {
                        x2 = TSimd.Load(pairs + (2 * TSimd.Count));
                        x3 = TSimd.Load(pairs + (3 * TSimd.Count));
                    }

                    sum0 = TSimd.AddIntegers(sum0, Dot(w, x0, x1, x2, x3));
                    sum1 = TSimd.AddIntegers(sum1, Dot(w + stride, x0, x1, x2, x3));
                    sum2 = TSimd.AddIntegers(sum2, Dot(w + (2 * stride), x0, x1, x2, x3));
                    sum3 = TSimd.AddIntegers(sum3, Dot(w + stride3, x0, x1, x2, x3));
                    sum4 = TSimd.AddIntegers(sum4, Dot(w4, x0, x1, x2, x3));
                    sum5 = TSimd.AddIntegers(sum5, Dot(w4 + stride, x0, x1, x2, x3));
                    sum6 = TSimd.AddIntegers(sum6, Dot(w4 + (2 * stride), x0, x1, x2, x3));
                    sum7 = TSimd.AddIntegers(sum7, Dot(w4 + stride3, x0, x1, x2, x3));
                    w += VectorBytes;
                    w4 += VectorBytes;
                    ahead += VectorBytes;
                    ahead4 += VectorBytes;
                    pairs += RowFields<TFormat>.Parts * TSimd.Count;
                }

                var scale = Vector128.Create(*scales);
                low = Vector128.FusedMultiplyAdd(Vector128.ConvertToSingle(TSimd.SumIntegers(sum0, sum1, sum2, sum3)), scale, low);
                high = Vector128.FusedMultiplyAdd(Vector128.ConvertToSingle(TSimd.SumIntegers(sum4, sum5, sum6, sum7)), scale, high);
                scales++;
            }

            Store(0, output, Math.Min(count, 4), low);
            Store(0, output + 4, count - 4, high);
        }

        /// <summary>Up to four rows of x times four rows of the weight: each word that is taken apart serves four. Rows that are not there repeat the last one.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        [SkipLocalsInit]
        private void FourRowsOfFourOutputs(nint stride, int row, int output, int count)
        {
            var tail = stackalloc byte[4 * VectorBytes];
            var w = weight.Data + (output * _rowBytes);
            var whole = (int)(_rowBytes / VectorBytes);
            CopyTail(w, stride, whole, 4, tail);
            var vectors = (int)((_rowBytes + VectorBytes - 1) / VectorBytes);
            var aheadStride = stride;
            var ahead = w + PrefetchBytes;
            var turn = vectors - (PrefetchBytes / VectorBytes);
            var rest = x.Rows - 1 - row;
            var (row1, row2, row3) = (Math.Min(1, rest), Math.Min(2, rest), Math.Min(3, rest));
            var pairs = (float*)x.Pairs + (row * x.RowPairs);
            nint pairs1 = row1 * x.RowPairs, pairs2 = row2 * x.RowPairs, pairs3 = row3 * x.RowPairs;
            var scales = x.Scales + row;
            Vector128<float> sums0 = default, sums1 = default, sums2 = default, sums3 = default;
            for (var vector = 0; vector < vectors;)
            {
                TVec sum00 = TSimd.Zero, sum01 = TSimd.Zero, sum02 = TSimd.Zero, sum03 = TSimd.Zero;
                TVec sum10 = TSimd.Zero, sum11 = TSimd.Zero, sum12 = TSimd.Zero, sum13 = TSimd.Zero;
                TVec sum20 = TSimd.Zero, sum21 = TSimd.Zero, sum22 = TSimd.Zero, sum23 = TSimd.Zero;
                TVec sum30 = TSimd.Zero, sum31 = TSimd.Zero, sum32 = TSimd.Zero, sum33 = TSimd.Zero;
                var end = Math.Min(vectors, vector + SegmentVectors);
                for (; vector < end; vector++)
                {
                    if (vector == whole)
                    {
                        w = tail;
                        stride = VectorBytes;
                    }

                    if (vector == turn)
                        ahead += 3 * aheadStride;
                    Prefetch(ahead);
                    Prefetch(ahead + aheadStride);
                    Prefetch(ahead + (2 * aheadStride));
                    Prefetch(ahead + (3 * aheadStride));
                    for (var part = 0; part < RowFields<TFormat>.Parts; part += 2)
                    {
                        // Two fields of four rows, eight vectors, meet every row of x in turn.
                        var words = TSimd.Load((float*)w);
                        Split(words, part, out var a0, out var b0);
                        words = TSimd.Load((float*)(w + stride));
                        Split(words, part, out var a1, out var b1);
                        words = TSimd.Load((float*)(w + (2 * stride)));
                        Split(words, part, out var a2, out var b2);
                        words = TSimd.Load((float*)(w + (3 * stride)));
                        Split(words, part, out var a3, out var b3);
                        TVec xa = TSimd.Load(pairs), xb = TSimd.Load(pairs + TSimd.Count);
                        sum00 = Add(sum00, a0, b0, xa, xb);
                        sum01 = Add(sum01, a1, b1, xa, xb);
                        sum02 = Add(sum02, a2, b2, xa, xb);
                        sum03 = Add(sum03, a3, b3, xa, xb);
                        (xa, xb) = (TSimd.Load(pairs + pairs1), TSimd.Load(pairs + pairs1 + TSimd.Count));
                        sum10 = Add(sum10, a0, b0, xa, xb);
                        sum11 = Add(sum11, a1, b1, xa, xb);
                        sum12 = Add(sum12, a2, b2, xa, xb);
                        sum13 = Add(sum13, a3, b3, xa, xb);
                        (xa, xb) = (TSimd.Load(pairs + pairs2), TSimd.Load(pairs + pairs2 + TSimd.Count));
                        sum20 = Add(sum20, a0, b0, xa, xb);
                        sum21 = Add(sum21, a1, b1, xa, xb);
                        sum22 = Add(sum22, a2, b2, xa, xb);
                        sum23 = Add(sum23, a3, b3, xa, xb);
                        (xa, xb) = (TSimd.Load(pairs + pairs3), TSimd.Load(pairs + pairs3 + TSimd.Count));
                        sum30 = Add(sum30, a0, b0, xa, xb);
                        sum31 = Add(sum31, a1, b1, xa, xb);
                        sum32 = Add(sum32, a2, b2, xa, xb);
                        sum33 = Add(sum33, a3, b3, xa, xb);
                        pairs += 2 * TSimd.Count;
                    }

                    w += VectorBytes;
                    ahead += VectorBytes;
                }

                sums0 = Vector128.FusedMultiplyAdd(Vector128.ConvertToSingle(TSimd.SumIntegers(sum00, sum01, sum02, sum03)), Vector128.Create(scales[0]), sums0);
                sums1 = Vector128.FusedMultiplyAdd(Vector128.ConvertToSingle(TSimd.SumIntegers(sum10, sum11, sum12, sum13)), Vector128.Create(scales[row1]), sums1);
                sums2 = Vector128.FusedMultiplyAdd(Vector128.ConvertToSingle(TSimd.SumIntegers(sum20, sum21, sum22, sum23)), Vector128.Create(scales[row2]), sums2);
                sums3 = Vector128.FusedMultiplyAdd(Vector128.ConvertToSingle(TSimd.SumIntegers(sum30, sum31, sum32, sum33)), Vector128.Create(scales[row3]), sums3);
                scales += x.Rows;
            }

            Store(row, output, count, sums0);
            if (rest > 0)
                Store(row + 1, output, count, sums1);
            if (rest > 1)
                Store(row + 2, output, count, sums2);
            if (rest > 2)
                Store(row + 3, output, count, sums3);
        }

        /// <summary>The last words of some rows of the weight, filled up with zeros: nothing behind a row may be read, it can be the end of a mapped file.</summary>
        private void CopyTail(byte* w, nint stride, int whole, int count, byte* tail)
        {
            var bytes = (int)(_rowBytes - ((nint)whole * VectorBytes));
            for (var row = 0; row < count && bytes != 0; row++)
            {
                var to = new Span<byte>(tail + (row * VectorBytes), VectorBytes);
                to.Clear();
                new ReadOnlySpan<byte>(w + (row * stride) + ((nint)whole * VectorBytes), bytes).CopyTo(to);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private void Store(int row, int output, int count, Vector128<float> sums)
        {
            var to = result + ((nint)row * outputs) + output;
            for (var i = 0; i < count; i++)
            {
                var value = sums[i] * weight.Scales[output + i];
                to[i] = bias == null ? value : value + bias[output + i];
            }
        }
    }

    /// <summary>Products of all fields of a vector of words.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVec Dot(byte* w, TVec x0, TVec x1, TVec x2, TVec x3)
    {
        var words = TSimd.Load((float*)w);
        var first = TSimd.MultiplyPairs(RowFields<TFormat>.Take<TSimd, TVec>(words, 0), x0);
        var second = TSimd.MultiplyPairs(RowFields<TFormat>.Take<TSimd, TVec>(words, 1), x1);
        if (TFormat.BitsPerElement == 8)
            return TSimd.AddIntegers(first, second);
        var third = TSimd.MultiplyPairs(RowFields<TFormat>.Take<TSimd, TVec>(words, 2), x2);
        var fourth = TSimd.MultiplyPairs(RowFields<TFormat>.Take<TSimd, TVec>(words, 3), x3);
        return TSimd.AddIntegers(TSimd.AddIntegers(first, second), TSimd.AddIntegers(third, fourth));
    }

    /// <summary>Fields <paramref name="part"/> and the one after it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Split(TVec words, int part, out TVec first, out TVec second)
    {
        // Shifts by what the compiler knows.
        if (part == 0)
        {
            first = RowFields<TFormat>.Take<TSimd, TVec>(words, 0);
            second = RowFields<TFormat>.Take<TSimd, TVec>(words, 1);
        }
        else
        {
            first = RowFields<TFormat>.Take<TSimd, TVec>(words, 2);
            second = RowFields<TFormat>.Take<TSimd, TVec>(words, 3);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVec Add(TVec sum, TVec a, TVec b, TVec xa, TVec xb) => TSimd.AddIntegers(sum, TSimd.AddIntegers(TSimd.MultiplyPairs(a, xa), TSimd.MultiplyPairs(b, xb)));

    // Into level 2: to level 1 there are fewer requests under way than the memory can serve.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Prefetch(byte* at)
    {
        if (Sse.IsSupported && TSimd.Count > 1)
            Sse.Prefetch1(at);
    }
}
