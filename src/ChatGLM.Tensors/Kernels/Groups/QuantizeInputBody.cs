using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors.Kernels;

/// <summary>Activations to 8 bits: a group's scale is its largest magnitude over 127. An item is one group of one row.</summary>
internal readonly unsafe struct QuantizeInputBody(float* source, int inputs, int groupSize, int offset, QuantizedInput target) : ILaneBody
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
        var block = stackalloc float[128];
        for (var item = from; item < to; item++)
        {
            var row = item / target.Groups;
            var column = (int)(item % target.Groups) * groupSize;
            var count = Math.Min(groupSize, inputs - column);
            var values = source + (row * inputs) + column;
            if (count < groupSize)
            {
                new Span<float>(block, groupSize).Clear();
                Unsafe.CopyBlockUnaligned(block, values, (uint)count * sizeof(float));
                values = block;
            }

            var (most, poison) = (T.Broadcast(0), T.Broadcast(0));
            for (var i = 0; i < groupSize; i += T.Count)
            {
                var value = T.Load(values + i);
                most = T.Max(most, T.Abs(value));
                poison += value - value; // not 0 for NaN and infinity alone; a maximum can lose a NaN
            }

            var largest = most.MaxAcross();
            var isFinite = poison.Sum() == 0;
            var factor = T.Broadcast(isFinite && largest > Tiny ? 127 / largest : 0);
            for (var i = 0; i < groupSize && isFinite; i += T.Count)
                ((T.Load(values + i) * factor) + T.Broadcast(Rounder)).Store(block + i);
            if (!isFinite)
                new Span<float>(block, groupSize).Clear();
            var scale = !isFinite ? float.NaN : largest > Tiny ? largest / 127 : 0;
            var sum = Pack(block, target.Quads + (row * target.RowBytes) + (item % target.Groups * target.GroupBytes));
            target.Scales[item] = scale;
            target.Starts[item] = -offset * sum;
            target.Sums[item] = scale * sum;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int Pack(float* block, byte* to)
    {
        var sum = 0;
        for (var i = 0; i < groupSize; i += 4)
        {
            var numbers = (sbyte*)(block + i);
            int a = numbers[0], b = numbers[4], c = numbers[8], d = numbers[12];
            if (target.IsWide)
                *(long*)(to + (2 * i)) = (uint)((ushort)a | (c << 16)) | ((long)((ushort)b | (d << 16)) << 32);
            else
                *(int*)(to + i) = (byte)a | ((byte)b << 8) | ((byte)c << 16) | (d << 24);
            sum += a + b + c + d;
        }

        return sum;
    }
}
