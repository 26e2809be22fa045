using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>Joins what <see cref="DecodeAttentionBody"/> left of each part of the keys, in order. An item is one query of one head.</summary>
internal readonly unsafe struct CombineAttentionBody(float* partials, float* y, float* logSumExp, AttentionSizes sizes) : ILaneBody
{
    public void Run<T>(long from, long to)
        where T : unmanaged, ILanes<T>
    {
        var (dim, parts, length) = (sizes.HeadDim, DecodeAttentionBody.PartsOf(sizes.Keys), DecodeAttentionBody.PartialLength(sizes.HeadDim));
        for (var item = from; item < to; item++)
        {
            var (head, i) = Math.DivRem(item, sizes.Seq);
            var (batch, h) = Math.DivRem(head, sizes.Heads);
            var target = y + ((((batch * sizes.Seq) + i) * sizes.Heads * dim) + (h * dim));
            var (max, sum) = Join<T>(partials + (item * parts * length), parts, length, target, dim);
            if (logSumExp is not null)
                logSumExp[item] = max + MathF.Log(sum);
        }
    }

    /// <summary>Joins the parts of one query: each is its largest score, its sum, and its weighted values.</summary>
    /// <returns>The largest score of all and the sum to it.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static (float Max, float Sum) Join<T>(float* first, int parts, int length, float* target, int dim)
        where T : unmanaged, ILanes<T>
    {
        var max = float.NegativeInfinity;
        for (var part = 0; part < parts; part++)
            max = Math.Max(max, first[part * length]);
        var shift = float.IsNegativeInfinity(max) ? 0 : max;
        float sum = 0;
        for (var part = 0; part < parts; part++)
            sum += Weight(first[part * length], shift) * first[(part * length) + 1];
        var inverse = SoftmaxRow.Inverse(sum);
        new Span<float>(target, dim).Clear();
        for (var part = 0; part < parts; part++)
        {
            var weight = T.Broadcast(Weight(first[part * length], shift) * inverse);
            var values = first + (part * length) + 2;
            var d = 0;
            for (; d <= dim - 16; d += 16)
                T.MultiplyAdd(weight, T.Load(values + d), T.Load(target + d)).Store(target + d);
            if (d < dim)
                LaneTail.Store(T.MultiplyAdd(weight, LaneTail.Load<T>(values + d, dim - d), LaneTail.Load<T>(target + d, dim - d)), target + d, dim - d);
        }

        return (max, sum);
    }

    // A part that saw no key has the largest score minus infinity and shifted its (absent) scores by 0.
    private static float Weight(float max, float shift) => float.IsNegativeInfinity(max) ? 1 : MathF.Exp(max - shift);
}
