using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors.Kernels;

internal unsafe struct Float32Format : IElementFormat
{
    public static int SizeInBytes => 4;

    public static int BitsPerElement => 32;

    public static int PairExponent => 0;

    public static bool PairsAreInterleaved => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVec Load<TSimd, TVec>(byte* source)
        where TSimd : struct, ISimd<TVec>
        where TVec : struct => TSimd.Load((float*)source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadPair<TSimd, TVec>(byte* source, out TVec first, out TVec second)
        where TSimd : struct, ISimd<TVec>
        where TVec : struct
    {
        first = TSimd.Load((float*)source);
        second = TSimd.Load((float*)source + TSimd.Count);
    }
}
