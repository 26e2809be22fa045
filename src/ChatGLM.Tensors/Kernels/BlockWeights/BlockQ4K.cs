using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace ChatGLM.Tensors.Kernels;

/// <summary>Q4_K: see <see cref="BlockQuantizedWeight"/> for the layout.</summary>
internal unsafe struct BlockQ4K : IBlockFormat
{
    private const int BlockBytes = 144;

    public static int Offset => 0;

    public static bool HasMinimum => true;

    public static bool HasHalfScales => false;

    public static int ChunkBytes => BlockBytes;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(byte* chunk, int groups, float* scales, float* minimums)
    {
        var (s, t) = BlockBits.SixBits(chunk + 4);
        BlockBits.Scale(s, BlockBits.WidenHalf(chunk), scales);
        BlockBits.Scale(t, -BlockBits.WidenHalf(chunk + 2), minimums);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load(byte* chunk, int pair, bool isOdd, out Vector128<byte> first, out Vector128<byte> second)
    {
        var bytes = chunk + 16 + (pair * 32);
        first = Vector128.Load(bytes);
        second = Vector128.Load(bytes + 16);
        first = isOdd ? BlockBits.High(first) : BlockBits.Low(first);
        second = isOdd ? BlockBits.High(second) : BlockBits.Low(second);
    }
}
