using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>
/// Transposes the keys of each head into panels of 32 keys, [headDim, 32], so that scores are computed with one key per lane and nothing is summed across lanes. Lanes past
/// the last key hold 0. An item is one panel.
/// </summary>
internal readonly unsafe struct PackPanelsBody(float* rows, long capacity, int keys, int headDim, float* panels) : ILaneBody
{
    public const int Keys = 32;

    public static int PanelsOf(int keys) => (keys + Keys - 1) / Keys;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run<T>(long from, long to)
        where T : unmanaged, ILanes<T>
    {
        for (var item = from; item < to; item++)
        {
            var (head, panel) = Math.DivRem(item, PanelsOf(keys));
            var target = panels + (item * headDim * Keys);
            var first = (int)panel * Keys;
            var count = Math.Min(Keys, keys - first);
            if (count < Keys)
                new Span<float>(target, headDim * Keys).Clear();
            var source = rows + (((head * capacity) + first) * headDim);
            for (var d = 0; d < headDim; d += 16)
            {
                // Sixteen numbers of a key at a time: whole cache lines of the source, and a target that stays in the first-level cache.
                var last = Math.Min(headDim, d + 16);
                for (var key = 0; key < count; key++)
                {
                    for (var e = d; e < last; e++)
                        target[(e * Keys) + key] = source[((long)key * headDim) + e];
                }
            }
        }
    }
}
