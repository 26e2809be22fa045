using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors.Kernels;

/// <summary>
/// IEEE binary16, widened exactly by integer operations and without a branch, because .NET does not expose the processor's own conversion.
/// No step has a denormal operand or result, which would cost a hundred cycles each.
/// </summary>
internal unsafe struct Float16Format : IElementFormat
{
    // Sign-less bits of the half, moved to where float32 has exponent and fraction.
    private const uint MagnitudeMask = 0x0FFFE000;
    private const uint SignMask = 0x80000000;

    public static int SizeInBytes => 2;

    public static bool PairsAreInterleaved => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVec Load<TSimd, TVec>(byte* source)
        where TSimd : struct, ISimd<TVec>
        where TVec : struct
    {
        var bits = TSimd.LoadUInt16(source);
        return Widen<TSimd, TVec>(TSimd.ShiftLeft(bits, 13), TSimd.ShiftLeft(bits, 16));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadPair<TSimd, TVec>(byte* source, out TVec first, out TVec second)
        where TSimd : struct, ISimd<TVec>
        where TVec : struct
    {
        var bits = TSimd.Load((float*)source);
        first = Widen<TSimd, TVec>(TSimd.ShiftLeft(bits, 13), TSimd.ShiftLeft(bits, 16));
        second = Widen<TSimd, TVec>(TSimd.ShiftRight(bits, 3), bits);
    }

    /// <param name="magnitude">Exponent and fraction in bits 13 to 27; other bits are ignored.</param>
    /// <param name="sign">The sign in bit 31; other bits are ignored.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVec Widen<TSimd, TVec>(TVec magnitude, TVec sign)
        where TSimd : struct, ISimd<TVec>
        where TVec : struct
    {
        // Exponent 31 (infinity, NaN) lands on float32's 255; the others come out 2^112 too large, which the multiplication takes back and infinity and NaN survive.
        var scaled = TSimd.AddBits(TSimd.And(magnitude, TSimd.BroadcastBits(MagnitudeMask)), TSimd.BroadcastBits(224u << 23));
        var normal = TSimd.Multiply(scaled, TSimd.BroadcastBits((127 - 112) << 23));

        // A subnormal half has no implicit leading one: read as 2^-15 (1 + f), it means 2^-14 f, which is 2 * that - 2^-14. For normal halves that is the larger of the two.
        var subnormal = TSimd.MultiplyAdd(scaled, TSimd.BroadcastBits((127 - 111) << 23), TSimd.Broadcast(-6.103515625e-5f));
        return TSimd.Or(TSimd.Min(normal, subnormal), TSimd.And(sign, TSimd.BroadcastBits(SignMask)));
    }
}
