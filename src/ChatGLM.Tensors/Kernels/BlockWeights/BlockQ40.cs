using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace ChatGLM.Tensors.Kernels;

/// <summary>Q4_0: see <see cref="BlockQuantizedWeight"/> for the layout.</summary>
internal unsafe struct BlockQ40 : IBlockFormat
{
    private const int BlockBytes = 18;

    public static int Offset => 8;

    public static bool HasMinimum => false;

    public static bool HasHalfScales => false;

    public static int ChunkBytes => 8 * BlockBytes;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(byte* chunk, int groups, float* scales, float* minimums) => BlockBits.WidenHalves(chunk, BlockBytes, groups, scales);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load(byte* chunk, int pair, bool isOdd, out Vector128<byte> first, out Vector128<byte> second)
    {
        var bytes = Vector128.Load(chunk + (pair * 2 * BlockBytes) + (isOdd ? BlockBytes : 0) + 2);
        first = BlockBits.Low(bytes);
        second = BlockBits.High(bytes);
    }
}
