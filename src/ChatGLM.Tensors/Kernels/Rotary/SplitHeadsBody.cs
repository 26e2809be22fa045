using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>
/// Copies heads between a fused projection [batch, seq, width] and query, key and value [batch, heads, seq, headDim], turning query and key by their positions on the way.
/// An item is one position of one sequence: its cosines and sines are laid out once and used for all heads. The backward runs the other way with the sines negated.
/// </summary>
internal readonly unsafe struct SplitHeadsBody(
    float* fused, float* query, float* key, float* value, long* positions, float* cosines, float* sines, SplitHeadsBody.Plan plan) : ILaneBody
{
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run<T>(long from, long to)
        where T : unmanaged, ILanes<T>
    {
        var rotated = plan.Rotated;
        var cos = stackalloc float[rotated + 16];
        var sin = stackalloc float[rotated + 16];
        for (var item = from; item < to; item++)
        {
            var (batch, i) = Math.DivRem(item, plan.Seq);
            if (rotated > 0)
                LayOutAngles(cos, sin, batch, i);
            for (var head = 0; head < plan.Layout.Heads; head++)
                Move<T>(item, head, part: 0, query + (((((batch * plan.Layout.Heads) + head) * plan.Seq) + i) * plan.Layout.HeadDim), cos, sin, rotated);
            for (var head = 0; head < plan.Layout.KeyValueHeads; head++)
            {
                var at = ((((batch * plan.Layout.KeyValueHeads) + head) * plan.KeyCapacity) + i) * plan.Layout.HeadDim;
                Move<T>(item, head, part: 1, key + at, cos, sin, rotated);
                Move<T>(item, head, part: 2, value + at, cos, sin, 0);
            }
        }
    }

    /// <summary>For every rotated element its cosine, and its sine with the sign that multiplies its partner: y = x * cos + partner * sin.</summary>
    private void LayOutAngles(float* cos, float* sin, long batch, long i)
    {
        var half = plan.RotaryDim / 2;
        for (var section = 0; section < plan.Sections; section++)
        {
            var position = positions[(((batch * plan.Sections) + section) * plan.Seq) + i];
            float* c = cosines + (position * half), s = sines + (position * half);
            float* toCos = cos + (section * plan.RotaryDim), toSin = sin + (section * plan.RotaryDim);
            for (var pair = 0; pair < half; pair++)
            {
                var first = plan.Interleaved ? 2 * pair : pair;
                var second = plan.Interleaved ? first + 1 : pair + half;
                var sine = plan.Backward ? -s[pair] : s[pair];
                (toCos[first], toCos[second]) = (c[pair], c[pair]);
                (toSin[first], toSin[second]) = (-sine, sine);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Move<T>(long item, int head, int part, float* apart, float* cos, float* sin, int rotated)
        where T : unmanaged, ILanes<T>
    {
        var layout = plan.Layout;
        var column = layout.InterleavedPerHead
            ? (3 * head) + part
            : head + (part == 0 ? 0 : part == 1 ? layout.Heads : layout.Heads + layout.KeyValueHeads);
        var joined = fused + (item * layout.Width) + ((long)column * layout.HeadDim);
        float* read = plan.Backward ? apart : joined, write = plan.Backward ? joined : apart;
        if (rotated > 0)
        {
            if (plan.Interleaved)
                TurnPairs<T>(read, write, cos, sin, rotated);
            else
                TurnHalves<T>(read, write, cos, sin);
        }

        var bytes = (long)(layout.HeadDim - rotated) * sizeof(float);
        Buffer.MemoryCopy(read + rotated, write + rotated, bytes, bytes);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void TurnPairs<T>(float* read, float* write, float* cos, float* sin, int count)
        where T : unmanaged, ILanes<T>
    {
        var i = 0;
        for (; i <= count - 16; i += 16)
        {
            var x = T.Load(read + i);
            T.MultiplyAdd(x, T.Load(cos + i), T.SwapPairs(x) * T.Load(sin + i)).Store(write + i);
        }

        if (i < count)
        {
            var x = LaneTail.Load<T>(read + i, count - i);
            LaneTail.Store(T.MultiplyAdd(x, T.Load(cos + i), T.SwapPairs(x) * T.Load(sin + i)), write + i, count - i);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void TurnHalves<T>(float* read, float* write, float* cos, float* sin)
        where T : unmanaged, ILanes<T>
    {
        var half = plan.RotaryDim / 2;
        for (var section = 0; section < plan.Sections; section++)
        {
            for (var i = 0; i < half; i += 16)
            {
                var rest = half - i;
                var first = rest >= 16 ? T.Load(read + i) : LaneTail.Load<T>(read + i, rest);
                var second = rest >= 16 ? T.Load(read + half + i) : LaneTail.Load<T>(read + half + i, rest);

                // The angles lie on this method's stack with room for whole vectors, so their tails may be read past the half.
                var newFirst = T.MultiplyAdd(first, T.Load(cos + i), second * T.Load(sin + i));
                var newSecond = T.MultiplyAdd(second, T.Load(cos + half + i), first * T.Load(sin + half + i));
                if (rest >= 16)
                {
                    newFirst.Store(write + i);
                    newSecond.Store(write + half + i);
                }
                else
                {
                    LaneTail.Store(newFirst, write + i, rest);
                    LaneTail.Store(newSecond, write + half + i, rest);
                }
            }

            read += plan.RotaryDim;
            write += plan.RotaryDim;
            cos += plan.RotaryDim;
            sin += plan.RotaryDim;
        }
    }

    /// <summary>The sizes. Rotated is 0 without a rotary table; a key or value head has room for KeyCapacity positions, of which Seq are moved.</summary>
    public readonly record struct Plan(HeadLayout Layout, int Seq, int KeyCapacity, int RotaryDim, int Sections, bool Interleaved, bool Backward)
    {
        /// <summary>How many elements of a head are turned.</summary>
        public int Rotated => RotaryDim * Sections;
    }
}
