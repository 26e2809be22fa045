using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors.Kernels;

/// <summary>Signed 4-bit numbers, two in a byte: the even column in its high half.</summary>
internal unsafe struct Int4Format : IPairFormat
{
    public static int BitsPerElement => 4;

    public static bool PairsAreInterleaved => true;

    public static int PairExponent => 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadPair<TSimd, TVec>(byte* source, out TVec first, out TVec second)
        where TSimd : struct, ISimd<TVec>
        where TVec : struct => TSimd.LoadInt4(source, out first, out second);
}
