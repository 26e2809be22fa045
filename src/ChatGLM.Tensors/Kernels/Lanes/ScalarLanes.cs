using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>Sixteen plain floats: for processors without vectors, and the witness in tests that vectors change no bits.</summary>
internal unsafe struct ScalarLanes : ILanes<ScalarLanes>
{
    private Floats _values;

    public static int Count => 16;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static ScalarLanes Broadcast(float value)
    {
        ScalarLanes result = default;
        for (var i = 0; i < Count; i++)
            result._values[i] = value;
        return result;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static ScalarLanes Load(float* source)
    {
        ScalarLanes result = default;
        for (var i = 0; i < Count; i++)
            result._values[i] = source[i];
        return result;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static ScalarLanes LoadBFloat16(ushort* source)
    {
        ScalarLanes result = default;
        for (var i = 0; i < Count; i++)
            result._values[i] = (float)new BFloat16(source[i]);
        return result;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static ScalarLanes LoadHalf(ushort* source)
    {
        ScalarLanes result = default;
        for (var i = 0; i < Count; i++)
            result._values[i] = (float)BitConverter.UInt16BitsToHalf(source[i]);
        return result;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static ScalarLanes LoadSByte(sbyte* source)
    {
        ScalarLanes result = default;
        for (var i = 0; i < Count; i++)
            result._values[i] = source[i];
        return result;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static ScalarLanes LoadNonZero(byte* source)
    {
        ScalarLanes result = default;
        for (var i = 0; i < Count; i++)
            result._values[i] = Mask(source[i] != 0);
        return result;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public readonly void Store(float* target)
    {
        for (var i = 0; i < Count; i++)
            target[i] = _values[i];
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public readonly void StoreBFloat16(ushort* target)
    {
        for (var i = 0; i < Count; i++)
            target[i] = ((BFloat16)_values[i]).Bits;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public readonly void StoreHalf(ushort* target)
    {
        for (var i = 0; i < Count; i++)
            target[i] = BitConverter.HalfToUInt16Bits((Half)_values[i]);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static ScalarLanes operator +(ScalarLanes a, ScalarLanes b)
    {
        ScalarLanes result = default;
        for (var i = 0; i < Count; i++)
            result._values[i] = a._values[i] + b._values[i];
        return result;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static ScalarLanes operator -(ScalarLanes a, ScalarLanes b)
    {
        ScalarLanes result = default;
        for (var i = 0; i < Count; i++)
            result._values[i] = a._values[i] - b._values[i];
        return result;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static ScalarLanes operator *(ScalarLanes a, ScalarLanes b)
    {
        ScalarLanes result = default;
        for (var i = 0; i < Count; i++)
            result._values[i] = a._values[i] * b._values[i];
        return result;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static ScalarLanes operator /(ScalarLanes a, ScalarLanes b)
    {
        ScalarLanes result = default;
        for (var i = 0; i < Count; i++)
            result._values[i] = a._values[i] / b._values[i];
        return result;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static ScalarLanes operator -(ScalarLanes a)
    {
        ScalarLanes result = default;
        for (var i = 0; i < Count; i++)
            result._values[i] = -a._values[i];
        return result;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static ScalarLanes MultiplyAdd(ScalarLanes a, ScalarLanes b, ScalarLanes c)
    {
        ScalarLanes result = default;
        for (var i = 0; i < Count; i++)
            result._values[i] = MathF.FusedMultiplyAdd(a._values[i], b._values[i], c._values[i]);
        return result;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static ScalarLanes Min(ScalarLanes a, ScalarLanes b)
    {
        ScalarLanes result = default;
        for (var i = 0; i < Count; i++)
            result._values[i] = a._values[i] < b._values[i] ? a._values[i] : b._values[i];
        return result;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static ScalarLanes Max(ScalarLanes a, ScalarLanes b)
    {
        ScalarLanes result = default;
        for (var i = 0; i < Count; i++)
            result._values[i] = a._values[i] > b._values[i] ? a._values[i] : b._values[i];
        return result;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static ScalarLanes Abs(ScalarLanes a)
    {
        ScalarLanes result = default;
        for (var i = 0; i < Count; i++)
            result._values[i] = MathF.Abs(a._values[i]);
        return result;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static ScalarLanes Sqrt(ScalarLanes a)
    {
        ScalarLanes result = default;
        for (var i = 0; i < Count; i++)
            result._values[i] = MathF.Sqrt(a._values[i]);
        return result;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static ScalarLanes Round(ScalarLanes a)
    {
        ScalarLanes result = default;
        for (var i = 0; i < Count; i++)
            result._values[i] = MathF.Round(a._values[i]);
        return result;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static ScalarLanes LessThan(ScalarLanes a, ScalarLanes b)
    {
        ScalarLanes result = default;
        for (var i = 0; i < Count; i++)
            result._values[i] = Mask(a._values[i] < b._values[i]);
        return result;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static ScalarLanes Select(ScalarLanes mask, ScalarLanes a, ScalarLanes b)
    {
        ScalarLanes result = default;
        for (var i = 0; i < Count; i++)
            result._values[i] = BitConverter.SingleToUInt32Bits(mask._values[i]) != 0 ? a._values[i] : b._values[i];
        return result;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static ScalarLanes AddToExponent(ScalarLanes a, ScalarLanes power)
    {
        ScalarLanes result = default;
        for (var i = 0; i < Count; i++)
            result._values[i] = BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits(a._values[i]) + ((int)power._values[i] << 23));
        return result;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static ScalarLanes Exponent(ScalarLanes a)
    {
        ScalarLanes result = default;
        for (var i = 0; i < Count; i++)
            result._values[i] = (int)(BitConverter.SingleToUInt32Bits(a._values[i]) >> 23) - 126;
        return result;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static ScalarLanes Fraction(ScalarLanes a)
    {
        ScalarLanes result = default;
        for (var i = 0; i < Count; i++)
            result._values[i] = BitConverter.UInt32BitsToSingle((BitConverter.SingleToUInt32Bits(a._values[i]) & 0x007FFFFFu) | 0x3F000000u);
        return result;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static ScalarLanes SwapPairs(ScalarLanes a)
    {
        ScalarLanes result = default;
        for (var i = 0; i < Count; i++)
            result._values[i] = a._values[i ^ 1];
        return result;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public readonly void AddSquaresTo(double* sums)
    {
        for (var i = 0; i < Count; i++)
            sums[i] = Math.FusedMultiplyAdd(_values[i], _values[i], sums[i]);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public readonly float Sum()
    {
        var folded = _values;
        for (var width = Count / 2; width > 0; width /= 2)
        {
            for (var i = 0; i < width; i++)
                folded[i] += folded[i + width];
        }

        return folded[0];
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public readonly float MaxAcross()
    {
        var folded = _values;
        for (var width = Count / 2; width > 0; width /= 2)
        {
            for (var i = 0; i < width; i++)
                folded[i] = folded[i] > folded[i + width] ? folded[i] : folded[i + width];
        }

        return folded[0];
    }

    private static float Mask(bool set) => BitConverter.UInt32BitsToSingle(set ? uint.MaxValue : 0);

    [InlineArray(16)]
    private struct Floats
    {
        private float _first;
    }
}
