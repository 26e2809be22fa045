using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ChatGLM.Tensors.Kernels;

/// <summary>
/// x W^T + bias over a row-quantized weight for one row of x, as in decoding, where reading the weight is all the work: eight rows of the weight stream by at once, where they lie (a mapped file is not held twice),
/// and come apart into 16-bit numbers by shifts, with half the instructions that widening to float32 takes. x is the sum of two 16-bit numbers, which is as good as float32. Sums over a segment are exact
/// integers, and an output is one chain of multiply-adds over its segments, so the bits depend neither on the instruction set nor on the number of threads.
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

    /// <summary>Computes result [outputs].</summary>
    public static void Run(WorkerPool pool, in RoundedRows x, int outputs, int inputs, in QuantizedOperand weight, float* bias, float* result)
    {
        if (outputs == 0)
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
            for (; output <= end - 8; output += 8)
                EightOutputs(_rowBytes, output, 8);

            // What is left in the end goes row by row, each in the place of all.
            for (; output < end; output++)
                EightOutputs(0, output, 1);
        }

        /// <summary>Eight rows of the weight, of which <paramref name="count"/> are stored: a load of x serves all, and memory has eight streams to keep up.</summary>
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
            var lowPairs = (float*)x.LowPairs;
            var scales = x.Scales;
            Vector128<float> chains = default, moreChains = default;
            for (var vector = 0; vector < vectors;)
            {
                TVec sum0 = TSimd.Zero, sum1 = TSimd.Zero, sum2 = TSimd.Zero, sum3 = TSimd.Zero;
                TVec sum4 = TSimd.Zero, sum5 = TSimd.Zero, sum6 = TSimd.Zero, sum7 = TSimd.Zero;
                TVec low0 = TSimd.Zero, low1 = TSimd.Zero, low2 = TSimd.Zero, low3 = TSimd.Zero;
                TVec low4 = TSimd.Zero, low5 = TSimd.Zero, low6 = TSimd.Zero, low7 = TSimd.Zero;
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
                    Add(ref sum0, ref low0, w, pairs, lowPairs);
                    Add(ref sum1, ref low1, w + stride, pairs, lowPairs);
                    Add(ref sum2, ref low2, w + (2 * stride), pairs, lowPairs);
                    Add(ref sum3, ref low3, w + stride3, pairs, lowPairs);
                    Add(ref sum4, ref low4, w4, pairs, lowPairs);
                    Add(ref sum5, ref low5, w4 + stride, pairs, lowPairs);
                    Add(ref sum6, ref low6, w4 + (2 * stride), pairs, lowPairs);
                    Add(ref sum7, ref low7, w4 + stride3, pairs, lowPairs);
                    w += VectorBytes;
                    w4 += VectorBytes;
                    ahead += VectorBytes;
                    ahead4 += VectorBytes;
                    pairs += RowFields<TFormat>.Parts * TSimd.Count;
                    lowPairs += RowFields<TFormat>.Parts * TSimd.Count;
                }

                var scale = Vector128.Create(*scales);
                chains = Append(chains, TSimd.SumIntegers(sum0, sum1, sum2, sum3), TSimd.SumIntegers(low0, low1, low2, low3), scale);
                moreChains = Append(moreChains, TSimd.SumIntegers(sum4, sum5, sum6, sum7), TSimd.SumIntegers(low4, low5, low6, low7), scale);
                scales++;
            }

            Store(output, Math.Min(count, 4), chains);
            Store(output + 4, count - 4, moreChains);
        }

        /// <summary>The next link of the chains: what both parts of x give, times the scale.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Vector128<float> Append(Vector128<float> chains, Vector128<int> sums, Vector128<int> lowSums, Vector128<float> scale)
        {
            var value = Vector128.FusedMultiplyAdd(Vector128.ConvertToSingle(lowSums), Vector128.Create(RoundedRows.LowUnit), Vector128.ConvertToSingle(sums));
            return Vector128.FusedMultiplyAdd(value, scale, chains);
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
        private void Store(int output, int count, Vector128<float> chains)
        {
            for (var i = 0; i < count; i++)
            {
                var value = chains[i] * weight.Scales[output + i];
                result[output + i] = bias == null ? value : value + bias[output + i];
            }
        }
    }

    /// <summary>Adds the products of all fields of a vector of words with both parts of x.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(ref TVec sum, ref TVec low, byte* w, float* pairs, float* lowPairs)
    {
        var words = TSimd.Load((float*)w);
        TVec first = RowFields<TFormat>.Take<TSimd, TVec>(words, 0), second = RowFields<TFormat>.Take<TSimd, TVec>(words, 1);
        TVec product = TSimd.MultiplyPairs(first, TSimd.Load(pairs)), more = TSimd.MultiplyPairs(second, TSimd.Load(pairs + TSimd.Count));
        TVec lowProduct = TSimd.MultiplyPairs(first, TSimd.Load(lowPairs)), lowMore = TSimd.MultiplyPairs(second, TSimd.Load(lowPairs + TSimd.Count));
        sum = TSimd.AddIntegers(sum, TSimd.AddIntegers(product, more));
        low = TSimd.AddIntegers(low, TSimd.AddIntegers(lowProduct, lowMore));
        if (TFormat.BitsPerElement == 8)
            return;
        (first, second) = (RowFields<TFormat>.Take<TSimd, TVec>(words, 2), RowFields<TFormat>.Take<TSimd, TVec>(words, 3));
        (product, more) = (TSimd.MultiplyPairs(first, TSimd.Load(pairs + (2 * TSimd.Count))), TSimd.MultiplyPairs(second, TSimd.Load(pairs + (3 * TSimd.Count))));
        (lowProduct, lowMore) = (TSimd.MultiplyPairs(first, TSimd.Load(lowPairs + (2 * TSimd.Count))), TSimd.MultiplyPairs(second, TSimd.Load(lowPairs + (3 * TSimd.Count))));
        sum = TSimd.AddIntegers(sum, TSimd.AddIntegers(product, more));
        low = TSimd.AddIntegers(low, TSimd.AddIntegers(lowProduct, lowMore));
    }

    // Into level 2: to level 1 there are fewer requests under way than the memory can serve.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Prefetch(byte* at)
    {
        if (Sse.IsSupported && TSimd.Count > 1)
            Sse.Prefetch1(at);
    }
}
