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

    public void Run<T>(long from, long to)
        where T : unmanaged, ILanes<T>
    {
        using var scratch = pool.RentScratch(KeysPerPart * sizeof(float));
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
        for (var g = 0; g < sizes.Group; g++)
        {
            var h = (int)(k * sizes.Group) + g;
            for (var i = 0; i < sizes.Seq; i++)
            {
                var at = (((batch * sizes.Heads) + h) * sizes.Seq) + i;
                Dots<T>(query + (at * dim), key + offset, scores, count, dim);
                mask.Score<T>(scores, batch, i, first, count, padded, scale);
                var (max, sum) = SoftmaxRow.Exponentiate<T>(scores, padded);
                mask.Drop<T>(scores, batch, h, i, first, count);
                var partial = partials + (((at * PartsOf(sizes.Keys)) + part) * PartialLength(dim));
                partial[0] = max;
                partial[1] = sum;
                WeightedSum<T>(scores, value + offset, partial + 2, count, dim);
            }
        }
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
