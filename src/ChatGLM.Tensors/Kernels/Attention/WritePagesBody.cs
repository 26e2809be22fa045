using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>Writes new keys and values into pages in the format of these. An item is one head of one row.</summary>
internal readonly unsafe struct WritePagesBody(float* key, float* value, PagedTable.Entry* sequences, nint* pages, int* sequenceOfRow, KeyValuePageLayout layout, int layer) : ILaneBody
{
    private const int Positions = KeyValuePageLayout.Positions;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run<T>(long from, long to)
        where T : unmanaged, ILanes<T>
    {
        var dim = layout.HeadDim;
        for (var item = from; item < to; item++)
        {
            var (row, head) = Math.DivRem(item, layout.KeyValueHeads);
            var index = sequenceOfRow[row];
            if (index < 0)
                continue;
            var sequence = sequences + index;
            var (page, slot) = Math.DivRem(sequence->Start + (int)row - sequence->FirstRow, Positions);
            var target = (byte*)pages[sequence->FirstPage + page] + (layer * layout.LayerBytes);
            var (source, keys, values) = (item * dim, head * dim * Positions, ((head * Positions) + slot) * dim);
            switch (layout.Format)
            {
                case KeyValueFormat.Float32:
                    var floats = (float*)target + keys + slot;
                    for (var d = 0; d < dim; d++)
                        floats[d * Positions] = key[source + d];
                    Unsafe.CopyBlockUnaligned((float*)target + layout.ElementsPerLayer + values, value + source, (uint)dim * sizeof(float));
                    break;
                case KeyValueFormat.Float16:
                    var halves = (Half*)target + keys + slot;
                    for (var d = 0; d < dim; d++)
                        halves[d * Positions] = (Half)key[source + d];
                    FloatStore.Store<T>(DType.Float16, value + source, target, layout.ElementsPerLayer + values, dim);
                    break;
                default:
                    var scales = (float*)(target + (2 * layout.ElementBytesPerLayer)) + (head * Positions) + slot;
                    *scales = Round(key + source, dim, (sbyte*)target + keys + slot, Positions);
                    *(scales + (layout.KeyValueHeads * Positions)) = Round(value + source, dim, (sbyte*)target + layout.ElementsPerLayer + values, 1);
                    break;
            }
        }
    }

    /// <summary>Rounds a head's numbers to 8 bits.</summary>
    /// <returns>The scale; not finite if a number is not, so that what reads it is not either.</returns>
    private static float Round(float* source, int count, sbyte* target, int step)
    {
        float largest = 0;
        for (var d = 0; d < count; d++)
            largest = MathF.Max(largest, MathF.Abs(source[d])); // a NaN stays
        var scale = largest / 127;
        // The largest may be so small that a number over its rounded scale leaves the range.
        var inverse = scale > 0 && float.IsFinite(scale) ? 1 / scale : 0;
        for (var d = 0; d < count; d++)
            target[d * step] = (sbyte)Math.Clamp(MathF.Round(source[d] * inverse), -127, 127);
        return scale;
    }
}
