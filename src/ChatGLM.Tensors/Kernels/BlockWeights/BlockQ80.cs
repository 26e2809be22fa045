using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace ChatGLM.Tensors.Kernels;

/// <summary>Q8_0: see <see cref="BlockQuantizedWeight"/> for the layout. Its bytes are signed; 128 is added to them.</summary>
internal unsafe struct BlockQ80 : IBlockFormat
{
    private const int BlockBytes = 34;

    public static int Offset => 128;

    public static bool HasMinimum => false;

    public static bool HasHalfScales => false;

    public static int ChunkBytes => 8 * BlockBytes;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(byte* chunk, int groups, float* scales, float* minimums) => BlockBits.WidenHalves(chunk, BlockBytes, groups, scales);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load(byte* chunk, int pair, bool isOdd, out Vector128<byte> first, out Vector128<byte> second)
    {
        var bytes = chunk + (pair * 2 * BlockBytes) + (isOdd ? BlockBytes : 0) + 2;
        first = Vector128.Load(bytes) ^ Vector128.Create((byte)128);
        second = Vector128.Load(bytes + 16) ^ Vector128.Create((byte)128);
    }
}
