using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors.Kernels;

/// <summary>The upper half of a float32: widening is a shift.</summary>
internal unsafe struct BFloat16Format : IElementFormat
{
    public static int SizeInBytes => 2;

    public static int BitsPerElement => 16;

    public static int PairExponent => 0;

    public static bool PairsAreInterleaved => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVec Load<TSimd, TVec>(byte* source)
        where TSimd : struct, ISimd<TVec>
        where TVec : struct => TSimd.ShiftLeft(TSimd.LoadUInt16(source), 16);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadPair<TSimd, TVec>(byte* source, out TVec first, out TVec second)
        where TSimd : struct, ISimd<TVec>
        where TVec : struct
    {
        var bits = TSimd.Load((float*)source);
        first = TSimd.ShiftLeft(bits, 16);
        second = TSimd.And(bits, TSimd.BroadcastBits(0xFFFF0000));
    }
}
