using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors.Kernels;

/// <summary>Activations to 8 bits: a group's scale is its largest magnitude over 127. An item is one group of one row, the missing ones of the last chunk included.</summary>
internal readonly unsafe struct RoundToBlocksBody(float* source, int inputs, int offset, BlockInput target) : ILaneBody
{
    // Below this the reciprocal of a scale would overflow; such a group counts as zero.
    private const float Tiny = 1e-30f;

    // 1.5 * 2^23: a number up to 2^22 added to it is rounded to a whole one, half to even, which then stands in the low bits.
    private const float Rounder = 12582912;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    public void Run<T>(long from, long to)
        where T : unmanaged, ILanes<T>
    {
        var block = stackalloc float[BlockMatrix.GroupColumns];
        for (var item = from; item < to; item++)
        {
            var (row, group) = Math.DivRem(item, target.Stride);
            if (group >= target.Groups)
            {
                target.Scales[item] = 0;
                target.Sums[item] = 0;
                continue;
            }

            var values = source + (row * inputs) + (group * BlockMatrix.GroupColumns);
            var (most, poison) = (T.Broadcast(0), T.Broadcast(0));
            for (var i = 0; i < BlockMatrix.GroupColumns; i += T.Count)
            {
                var value = T.Load(values + i);
                most = T.Max(most, T.Abs(value));
                poison += value - value; // not 0 for NaN and infinity alone; a maximum can lose a NaN
            }

            var largest = most.MaxAcross();
            var isFinite = poison.Sum() == 0;
            var factor = T.Broadcast(isFinite && largest > Tiny ? 127 / largest : 0);
            for (var i = 0; i < BlockMatrix.GroupColumns && isFinite; i += T.Count)
                ((T.Load(values + i) * factor) + T.Broadcast(Rounder)).Store(block + i);
            if (!isFinite)
                new Span<float>(block, BlockMatrix.GroupColumns).Clear();
            var scale = !isFinite ? float.NaN : largest > Tiny ? largest / 127 : 0;
            target.Scales[item] = scale;
            target.Sums[item] = scale * Pack(block, target.Numbers + (item * BlockMatrix.GroupColumns), target.Starts + (item * 8));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int Pack(float* block, sbyte* to, int* starts)
    {
        var sum = 0;
        for (var i = 0; i < BlockMatrix.GroupColumns; i += 4)
        {
            var numbers = (sbyte*)(block + i);
            int a = numbers[0], b = numbers[4], c = numbers[8], d = numbers[12];
            *(int*)(to + i) = (byte)a | ((byte)b << 8) | ((byte)c << 16) | (d << 24);
            starts[i / 4] = -offset * (a + b + c + d);
            sum += a + b + c + d;
        }

        return sum;
    }
}
