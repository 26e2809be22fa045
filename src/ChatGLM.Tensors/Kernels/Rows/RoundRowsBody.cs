using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors.Kernels;

/// <summary>Activations to 16 bits: a segment's scale is its largest magnitude over 32767. An item is one segment of one row.</summary>
internal readonly unsafe struct RoundRowsBody(float* source, int inputs, int bits, RoundedRows target) : ILaneBody
{
    // Below this the reciprocal of a scale would overflow; such a segment counts as zero.
    private const float Tiny = 1e-30f;

    // 1.5 * 2^23: a number up to 2^22 added to it is rounded to a whole one, half to even, which then stands in the low bits.
    private const float Rounder = 12582912;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    public void Run<T>(long from, long to)
        where T : unmanaged, ILanes<T>
    {
        var block = stackalloc float[RoundedRows.SegmentColumns];
        var low = stackalloc float[RoundedRows.SegmentColumns];
        for (var item = from; item < to; item++)
        {
            var (row, segment) = ((int)(item / target.Segments), (int)(item % target.Segments));
            var column = segment * RoundedRows.SegmentColumns;
            var count = Math.Min(RoundedRows.SegmentColumns, inputs - column);
            var values = source + ((nint)row * inputs) + column;
            if (count < RoundedRows.SegmentColumns)
            {
                new Span<float>(block, RoundedRows.SegmentColumns).Clear();
                Unsafe.CopyBlockUnaligned(block, values, (uint)count * sizeof(float));
                values = block;
            }

            var (most, poison) = (T.Broadcast(0), T.Broadcast(0));
            for (var i = 0; i < RoundedRows.SegmentColumns; i += T.Count)
            {
                var value = T.Load(values + i);
                most = T.Max(most, T.Abs(value));
                poison += value - value; // not 0 for NaN and infinity alone; a maximum can lose a NaN
            }

            var largest = most.MaxAcross();
            var isFinite = poison.Sum() == 0;
            var factor = T.Broadcast(isFinite && largest > Tiny ? 32767 / largest : 0);
            var (rounder, lowUnits) = (T.Broadcast(Rounder), T.Broadcast(1 / RoundedRows.LowUnit));
            for (var i = 0; i < RoundedRows.SegmentColumns && isFinite; i += T.Count)
            {
                var value = T.Load(values + i) * factor;
                var rounded = value + rounder;
                rounded.Store(block + i);
                if (target.TileRows == 0)
                    (((value - (rounded - rounder)) * lowUnits) + rounder).Store(low + i);
            }

            if (!isFinite)
            {
                new Span<float>(block, RoundedRows.SegmentColumns).Clear();
                new Span<float>(low, RoundedRows.SegmentColumns).Clear();
            }

            target.Scales[((nint)segment * target.Rows) + row] = !isFinite ? float.NaN : largest > Tiny ? largest / 32767 : 0;
            if (target.TileRows != 0)
            {
                Pack(block, target.Panel(segment, row / target.TileRows) + (row % target.TileRows), 1, target.TileRows);
                continue;
            }

            Pack(block, target.Pairs + (segment * RoundedRows.SegmentPairs), target.Lanes, 1);
            Pack(low, target.LowPairs + (segment * RoundedRows.SegmentPairs), target.Lanes, 1);
        }
    }

    /// <summary>Puts the numbers, the low 16 bits of every float, into pairs as the weight's words come apart.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Pack(float* block, int* to, int lanes, int stride)
    {
        var parts = 16 / bits;
        var step = lanes * stride;
        for (var i = 0; i < RoundedRows.SegmentColumns; to += step * (parts - 1))
        {
            for (var lane = 0; lane < lanes; lane++, i += 2 * parts, to += stride)
            {
                var numbers = (ushort*)(block + i);
                if (parts == 2)
                {
                    *to = Pair(numbers, 0, 2);
                    to[step] = Pair(numbers, 1, 3);
                    continue;
                }

                // The odd column of a byte is in its low half.
                *to = Pair(numbers, 1, 5);
                to[step] = Pair(numbers, 0, 4);
                to[2 * step] = Pair(numbers, 3, 7);
                to[3 * step] = Pair(numbers, 2, 6);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Pair(ushort* numbers, int first, int second) => numbers[2 * first] | (numbers[2 * second] << 16);
}
