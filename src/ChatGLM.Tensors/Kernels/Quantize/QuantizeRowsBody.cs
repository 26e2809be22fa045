using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>Rows of a dense matrix to 8-bit integers, or to 4-bit ones packed in pairs, with a scale for each.</summary>
internal readonly unsafe struct QuantizeRowsBody(DType dtype, void* source, int columns, RowQuantization how, sbyte* target, void* scales) : ILaneBody
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    public void Run<T>(long from, long to)
        where T : unmanaged, ILanes<T>
    {
        var block = stackalloc float[FloatStore.BlockLength];
        var largestInteger = (1 << (how.Bits - 1)) - 1;
        for (var row = from; row < to; row++)
        {
            var scale = LargestMagnitude<T>(row, block) / largestInteger;
            FloatStore.Store<T>(how.ScaleType, &scale, scales, row, 1);
            float stored;
            FloatStore.Load<T>(how.ScaleType, scales, row, &stored, 1);
            if (!float.IsFinite(stored))
                throw new TensorException(nameof(Backend.Quantize), $"row {row} of the matrix holds NaN, infinity, or numbers so large that their scale {scale} does not fit {how.ScaleType.TorchName()}.");

            // A row whose stored scale is 0 is zero whatever its integers are; a scale that lost bits as a subnormal half must not push an integer out of its range.
            var divisor = how.DividesByStoredScale ? stored : scale;
            for (var column = 0; column < columns; column += FloatStore.BlockLength)
            {
                var count = Math.Min(FloatStore.BlockLength, columns - column);
                FloatStore.Load<T>(dtype, source, (row * columns) + column, block, count);
                if (divisor == 0)
                    new Span<float>(block, count).Clear();
                else
                    Divide<T>(block, count, divisor, largestInteger);
                if (how.Bits == 8)
                    Narrow(block, count, target + (row * columns) + column);
                else
                    NarrowPairs(block, count, target + (((row * columns) + column) / 2));
            }
        }
    }

    /// <summary>NaN if anything in the row is not finite.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private float LargestMagnitude<T>(long row, float* block)
        where T : unmanaged, ILanes<T>
    {
        var (lanes, poison) = (T.Broadcast(0), T.Broadcast(0));
        for (var column = 0; column < columns; column += FloatStore.BlockLength)
        {
            var count = Math.Min(FloatStore.BlockLength, columns - column);
            FloatStore.Load<T>(dtype, source, (row * columns) + column, block, count);
            for (; count % T.Count != 0; count++)
                block[count] = 0;
            for (var i = 0; i < count; i += T.Count)
            {
                var value = T.Load(block + i);
                lanes = T.Max(lanes, T.Abs(value));
                poison += value - value; // not 0 for NaN and infinity alone; a maximum can lose a NaN
            }
        }

        return lanes.MaxAcross() + poison.Sum();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Divide<T>(float* block, int count, float divisor, int largestInteger)
        where T : unmanaged, ILanes<T>
    {
        for (; count % T.Count != 0; count++)
            block[count] = 0;
        var (by, most, least) = (T.Broadcast(divisor), T.Broadcast(largestInteger), T.Broadcast(-largestInteger));
        for (var i = 0; i < count; i += T.Count)
            T.Max(T.Min(T.Round(T.Load(block + i) / by), most), least).Store(block + i);
    }

    private static void Narrow(float* block, int count, sbyte* target)
    {
        for (var i = 0; i < count; i++)
            target[i] = (sbyte)(int)block[i];
    }

    private static void NarrowPairs(float* block, int count, sbyte* target)
    {
        for (var i = 0; i < count; i += 2)
            target[i / 2] = (sbyte)(((int)block[i] << 4) | ((int)block[i + 1] & 15));
    }
}
