using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace ChatGLM.Tensors.Kernels;

/// <summary>Q5_0: see <see cref="BlockQuantizedWeight"/> for the layout.</summary>
internal unsafe struct BlockQ50 : IBlockFormat
{
    private const int BlockBytes = 22;

    public static int Offset => 16;

    public static bool HasMinimum => false;

    public static bool HasHalfScales => false;

    public static int ChunkBytes => 8 * BlockBytes;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(byte* chunk, int groups, float* scales, float* minimums) => BlockBits.WidenHalves(chunk, BlockBytes, groups, scales);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load(byte* chunk, int pair, bool isOdd, out Vector128<byte> first, out Vector128<byte> second)
    {
        var block = chunk + (pair * 2 * BlockBytes) + (isOdd ? BlockBytes : 0);
        var word = Vector128.Create(*(uint*)(block + 2)).AsByte();
        var bytes = Vector128.Load(block + 6);
        first = BlockBits.Low(bytes) | BlockBits.FifthBits(word, isUpper: false);
        second = BlockBits.High(bytes) | BlockBits.FifthBits(word, isUpper: true);
    }
}
