using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace ChatGLM.Tensors.Kernels;

/// <summary>Q5_1: see <see cref="BlockQuantizedWeight"/> for the layout.</summary>
internal unsafe struct BlockQ51 : IBlockFormat
{
    private const int BlockBytes = 24;

    public static int Offset => 0;

    public static bool HasMinimum => true;

    public static bool HasHalfScales => false;

    public static int ChunkBytes => 8 * BlockBytes;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(byte* chunk, int groups, float* scales, float* minimums)
    {
        BlockBits.WidenHalves(chunk, BlockBytes, groups, scales);
        BlockBits.WidenHalves(chunk + 2, BlockBytes, groups, minimums);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load(byte* chunk, int pair, bool isOdd, out Vector128<byte> first, out Vector128<byte> second)
    {
        var block = chunk + (pair * 2 * BlockBytes) + (isOdd ? BlockBytes : 0);
        var word = Vector128.Create(*(uint*)(block + 4)).AsByte();
        var bytes = Vector128.Load(block + 8);
        first = BlockBits.Low(bytes) | BlockBits.FifthBits(word, isUpper: false);
        second = BlockBits.High(bytes) | BlockBits.FifthBits(word, isUpper: true);
    }
}
