using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors.Kernels;

/// <summary>
/// IEEE binary16, widened exactly by integer operations and without a branch, because .NET does not expose the processor's own conversion. No step has a denormal operand or
/// result, which would cost a hundred cycles each: subnormal halves are common in trained weights.
/// </summary>
internal unsafe struct Float16Format : IElementFormat
{
    // 2^112 is what float32's bias lets exponent 31 (infinity, NaN) land on 255 with.
    private const int ScaleExponent = 112;
    private const uint SignMask = 0x80000000;

    public static int SizeInBytes => 2;

    public static int BitsPerElement => 16;

    public static bool PairsAreInterleaved => true;

    public static int PairExponent => ScaleExponent;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVec Load<TSimd, TVec>(byte* source)
        where TSimd : struct, ISimd<TVec>
        where TVec : struct
    {
        var bits = TSimd.ShiftLeft(TSimd.LoadUInt16(source), 16);
        var value = TSimd.Multiply(Upper<TSimd, TVec>(bits), TSimd.BroadcastBits((127 - ScaleExponent) << 23));
        return TSimd.Or(value, TSimd.And(bits, TSimd.BroadcastBits(SignMask))); // -0
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadPair<TSimd, TVec>(byte* source, out TVec first, out TVec second)
        where TSimd : struct, ISimd<TVec>
        where TVec : struct
    {
        var bits = TSimd.Load((float*)source);
        first = Upper<TSimd, TVec>(TSimd.ShiftLeft(bits, 16));
        second = Upper<TSimd, TVec>(bits);
    }

    /// <summary>The half in the upper 16 bits of every lane, times 2^112; the lower bits are ignored.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVec Upper<TSimd, TVec>(TVec bits)
        where TSimd : struct, ISimd<TVec>
        where TVec : struct
    {
        // Sign in bits 31 to 28, exponent and fraction where float32 has them. Setting bits 30 to 28 adds 224 to the exponent of either sign.
        var aligned = TSimd.And(TSimd.ShiftRightArithmetic(bits, 3), TSimd.BroadcastBits(0xFFFFE000));
        var scaled = TSimd.Or(aligned, TSimd.BroadcastBits(224u << 23));

        // A subnormal half has no implicit leading one: read as (1 + f) 2^97, it means f 2^98, which is 2 * that - 2^98. For normal halves that is farther from zero.
        var leading = TSimd.Or(TSimd.And(scaled, TSimd.BroadcastBits(SignMask)), TSimd.BroadcastBits((127 + 98) << 23));
        return TSimd.MinBits(scaled, TSimd.MultiplySubtract(scaled, TSimd.Broadcast(2), leading));
    }
}
