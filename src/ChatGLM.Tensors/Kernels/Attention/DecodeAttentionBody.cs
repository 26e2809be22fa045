using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>
/// Attention for a few queries over a long cache, bound by reading it: an item is 256 keys of one key and value head, which are read once for all query heads that share
/// them. Each item leaves the largest score, the sum and the weighted values of its keys; <see cref="CombineAttentionBody"/> joins them. The cut depends on the number of keys alone.
/// </summary>
internal readonly unsafe struct DecodeAttentionBody(
    WorkerPool pool, float* query, float* key, float* value, float* partials, AttentionSizes sizes, AttentionMask mask, float scale) : ILaneBody
{
    public const int KeysPerPart = 256;

    /// <summary>Pieces that the keys are cut into; one even if there are none.</summary>
    public static int PartsOf(int keys) => Math.Max(1, (keys + KeysPerPart - 1) / KeysPerPart);

    /// <summary>The floats that a part leaves per query: the largest score, the sum, and headDim weighted values.</summary>
    public static int PartialLength(int headDim) => headDim + 2;

    // Query heads that pass over a part together.
    private const int HeadsTogether = 16;

    // Keys, and elements of values, that stay in the nearest cache while all those heads pass: 16 KiB and 32 KiB at most for heads of 128.
    private const int KeysTogether = 32;
    private const int ElementsTogether = 32;

    public void Run<T>(long from, long to)
        where T : unmanaged, ILanes<T>
    {
        using var scratch = pool.RentScratch(HeadsTogether * KeysPerPart * sizeof(float));
        for (var item = from; item < to; item++)
            Part<T>((float*)scratch.Pointer, item);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Part<T>(float* scores, long item)
        where T : unmanaged, ILanes<T>
    {
        var (keyHead, part) = Math.DivRem(item, PartsOf(sizes.Keys));
        var (batch, k) = Math.DivRem(keyHead, sizes.KeyValueHeads);
        var first = (int)part * KeysPerPart;
        var count = Math.Min(KeysPerPart, sizes.Keys - first);
        var padded = (count + 15) & -16;
        var dim = sizes.HeadDim;
        var offset = ((keyHead * sizes.Capacity) + first) * dim;
        var stride = (long)PartsOf(sizes.Keys) * PartialLength(dim);
        for (var i = 0; i < sizes.Seq; i++)
        {
            for (var g = 0; g < sizes.Group; g += HeadsTogether)
            {
                var heads = Math.Min(HeadsTogether, sizes.Group - g);
                var quads = dim % ElementsTogether == 0 ? heads / 4 * 4 : 0;
                var h = (int)(k * sizes.Group) + g;
                var at = (((batch * sizes.Heads) + h) * sizes.Seq) + i;
                var partial = partials + (at * stride) + (part * PartialLength(dim));
                // From one head to the next of the same query.
                long queryStride = (long)sizes.Seq * dim, partialStride = sizes.Seq * stride;
                var head = 0;
                for (var j = 0; j < count; j += KeysTogether)
                {
                    var keys = Math.Min(KeysTogether, count - j);
                    for (head = 0; head < quads; head += 4)
                        FourDots<T>(query + (at * dim) + (head * queryStride), queryStride, key + offset + ((long)j * dim), scores + (head * KeysPerPart) + j, keys, dim);
                    for (; head < heads; head++)
                        Dots<T>(query + (at * dim) + (head * queryStride), key + offset + ((long)j * dim), scores + (head * KeysPerPart) + j, keys, dim);
                }

                for (head = 0; head < heads; head++)
                {
                    var row = scores + (head * KeysPerPart);
                    mask.Score<T>(row, batch, i, first, count, padded, scale);
                    var (max, sum) = SoftmaxRow.Exponentiate<T>(row, padded);
                    mask.Drop<T>(row, batch, h + head, i, first, count);
                    partial[head * partialStride] = max;
                    partial[(head * partialStride) + 1] = sum;
                }

                for (var d = 0; d < dim; d += ElementsTogether)
                {
                    for (head = 0; head < quads; head += 4)
                        FourWeightedSums<T>(scores + (head * KeysPerPart), value + offset + d, partial + 2 + (head * partialStride) + d, partialStride, count, dim);
                }

                for (head = quads; head < heads; head++)
                    WeightedSum<T>(scores + (head * KeysPerPart), value + offset, partial + 2 + (head * partialStride), count, dim);
            }
        }
    }

    /// <summary>The products of four queries with each key, two keys at a time: a load of a key serves four, one of a query two. A product is summed as <see cref="Dots"/> sums it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FourDots<T>(float* queries, long queryStride, float* keys, float* dots, int count, int dim)
        where T : unmanaged, ILanes<T>
    {
        float* q0 = queries, q1 = q0 + queryStride, q2 = q1 + queryStride, q3 = q2 + queryStride;
        for (var j = 0; j < count; j += 2)
        {
            // Past the last key the last one stands in; what comes of it lies past the count, and is written over.
            float* k0 = keys + ((long)j * dim), k1 = j + 1 < count ? k0 + dim : k0;
            var zero = T.Broadcast(0);
            T s00 = zero, s01 = zero, s10 = zero, s11 = zero, s20 = zero, s21 = zero, s30 = zero, s31 = zero;
            for (var d = 0; d < dim; d += 16)
            {
                T a = T.Load(k0 + d), b = T.Load(k1 + d);
                var x = T.Load(q0 + d);
                s00 = T.MultiplyAdd(x, a, s00);
                s01 = T.MultiplyAdd(x, b, s01);
                x = T.Load(q1 + d);
                s10 = T.MultiplyAdd(x, a, s10);
                s11 = T.MultiplyAdd(x, b, s11);
                x = T.Load(q2 + d);
                s20 = T.MultiplyAdd(x, a, s20);
                s21 = T.MultiplyAdd(x, b, s21);
                x = T.Load(q3 + d);
                s30 = T.MultiplyAdd(x, a, s30);
                s31 = T.MultiplyAdd(x, b, s31);
            }

            var to = dots + j;
            (to[0], to[1]) = (s00.Sum(), s01.Sum());
            to += KeysPerPart;
            (to[0], to[1]) = (s10.Sum(), s11.Sum());
            to += KeysPerPart;
            (to[0], to[1]) = (s20.Sum(), s21.Sum());
            to += KeysPerPart;
            (to[0], to[1]) = (s30.Sum(), s31.Sum());
        }
    }

    /// <summary>The sums of <see cref="ElementsTogether"/> elements of the values by the weights of four rows: a load of a value serves four. An element is summed as <see cref="WeightedSum"/> sums it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FourWeightedSums<T>(float* weights, float* values, float* targets, long targetStride, int count, int dim)
        where T : unmanaged, ILanes<T>
    {
        float* w0 = weights, w1 = w0 + KeysPerPart, w2 = w1 + KeysPerPart, w3 = w2 + KeysPerPart;
        float* y0 = targets, y1 = y0 + targetStride, y2 = y1 + targetStride, y3 = y2 + targetStride;
        var zero = T.Broadcast(0);
        T s0a = zero, s0b = zero, s1a = zero, s1b = zero, s2a = zero, s2b = zero, s3a = zero, s3b = zero;
        var v = values;
        for (var j = 0; j < count; j++, v += dim)
        {
            T a = T.Load(v), b = T.Load(v + 16);
            var w = T.Broadcast(w0[j]);
            s0a = T.MultiplyAdd(w, a, s0a);
            s0b = T.MultiplyAdd(w, b, s0b);
            w = T.Broadcast(w1[j]);
            s1a = T.MultiplyAdd(w, a, s1a);
            s1b = T.MultiplyAdd(w, b, s1b);
            w = T.Broadcast(w2[j]);
            s2a = T.MultiplyAdd(w, a, s2a);
            s2b = T.MultiplyAdd(w, b, s2b);
            w = T.Broadcast(w3[j]);
            s3a = T.MultiplyAdd(w, a, s3a);
            s3b = T.MultiplyAdd(w, b, s3b);
        }

        s0a.Store(y0);
        s0b.Store(y0 + 16);
        s1a.Store(y1);
        s1b.Store(y1 + 16);
        s2a.Store(y2);
        s2b.Store(y2 + 16);
        s3a.Store(y3);
        s3b.Store(y3 + 16);
    }

    /// <summary>The products of one query with each key, four keys at a time.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Dots<T>(float* q, float* keys, float* dots, int count, int dim)
        where T : unmanaged, ILanes<T>
    {
        var j = 0;
        for (; j <= count - 4; j += 4)
        {
            float* k0 = keys + ((long)j * dim), k1 = k0 + dim, k2 = k1 + dim, k3 = k2 + dim;
            var zero = T.Broadcast(0);
            T s0 = zero, s1 = zero, s2 = zero, s3 = zero;
            var d = 0;
            for (; d <= dim - 16; d += 16)
            {
                var x = T.Load(q + d);
                s0 = T.MultiplyAdd(x, T.Load(k0 + d), s0);
                s1 = T.MultiplyAdd(x, T.Load(k1 + d), s1);
                s2 = T.MultiplyAdd(x, T.Load(k2 + d), s2);
                s3 = T.MultiplyAdd(x, T.Load(k3 + d), s3);
            }

            if (d < dim)
            {
                var x = LaneTail.Load<T>(q + d, dim - d);
                s0 = T.MultiplyAdd(x, LaneTail.Load<T>(k0 + d, dim - d), s0);
                s1 = T.MultiplyAdd(x, LaneTail.Load<T>(k1 + d, dim - d), s1);
                s2 = T.MultiplyAdd(x, LaneTail.Load<T>(k2 + d, dim - d), s2);
                s3 = T.MultiplyAdd(x, LaneTail.Load<T>(k3 + d, dim - d), s3);
            }

            (dots[j], dots[j + 1], dots[j + 2], dots[j + 3]) = (s0.Sum(), s1.Sum(), s2.Sum(), s3.Sum());
        }

        for (; j < count; j++)
        {
            var k = keys + ((long)j * dim);
            var sum = T.Broadcast(0);
            var d = 0;
            for (; d <= dim - 16; d += 16)
                sum = T.MultiplyAdd(T.Load(q + d), T.Load(k + d), sum);
            if (d < dim)
                sum = T.MultiplyAdd(LaneTail.Load<T>(q + d, dim - d), LaneTail.Load<T>(k + d, dim - d), sum);
            dots[j] = sum.Sum();
        }
    }

    /// <summary>The sum of the values by their weights, four values at a time, so that the result is read and written once per four.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void WeightedSum<T>(float* weights, float* values, float* target, int count, int dim)
        where T : unmanaged, ILanes<T>
    {
        new Span<float>(target, dim).Clear();
        for (var j = 0; j < count; j += 4)
        {
            var v = values + ((long)j * dim);

            // Past the last value its weight is 0, and the last value itself stands in.
            var (n1, n2, n3) = (j + 1 < count, j + 2 < count, j + 3 < count);
            T w0 = T.Broadcast(weights[j]), w1 = T.Broadcast(n1 ? weights[j + 1] : 0), w2 = T.Broadcast(n2 ? weights[j + 2] : 0), w3 = T.Broadcast(n3 ? weights[j + 3] : 0);
            float* v1 = n1 ? v + dim : v, v2 = n2 ? v + (2 * dim) : v, v3 = n3 ? v + (3 * dim) : v;
            var d = 0;
            for (; d <= dim - 16; d += 16)
            {
                var sum = T.MultiplyAdd(w0, T.Load(v + d), T.Load(target + d));
                sum = T.MultiplyAdd(w1, T.Load(v1 + d), sum);
                sum = T.MultiplyAdd(w2, T.Load(v2 + d), sum);
                T.MultiplyAdd(w3, T.Load(v3 + d), sum).Store(target + d);
            }

            if (d < dim)
            {
                var rest = dim - d;
                var sum = T.MultiplyAdd(w0, LaneTail.Load<T>(v + d, rest), LaneTail.Load<T>(target + d, rest));
                sum = T.MultiplyAdd(w1, LaneTail.Load<T>(v1 + d, rest), sum);
                sum = T.MultiplyAdd(w2, LaneTail.Load<T>(v2 + d, rest), sum);
                LaneTail.Store(T.MultiplyAdd(w3, LaneTail.Load<T>(v3 + d, rest), sum), target + d, rest);
            }
        }
    }
}
