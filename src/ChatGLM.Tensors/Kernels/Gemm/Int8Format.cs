using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors.Kernels;

/// <summary>Signed bytes.</summary>
internal unsafe struct Int8Format : IPairFormat
{
    public static int BitsPerElement => 8;

    public static bool PairsAreInterleaved => false;

    public static int PairExponent => 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadPair<TSimd, TVec>(byte* source, out TVec first, out TVec second)
        where TSimd : struct, ISimd<TVec>
        where TVec : struct
    {
        first = TSimd.LoadInt8(source);
        second = TSimd.LoadInt8(source + TSimd.Count);
    }
}
