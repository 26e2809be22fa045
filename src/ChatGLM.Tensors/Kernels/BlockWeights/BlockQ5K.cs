using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace ChatGLM.Tensors.Kernels;

/// <summary>Q5_K: see <see cref="BlockQuantizedWeight"/> for the layout.</summary>
internal unsafe struct BlockQ5K : IBlockFormat
{
    private const int BlockBytes = 176;

    public static int Offset => 0;

    public static bool HasMinimum => true;

    public static bool HasHalfScales => false;

    public static int ChunkBytes => BlockBytes;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(byte* chunk, int groups, float* scales, float* minimums) => BlockQ4K.Scales(chunk, groups, scales, minimums);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load(byte* chunk, int pair, bool isOdd, out Vector128<byte> first, out Vector128<byte> second)
    {
        var bytes = chunk + 48 + (pair * 32);
        first = Vector128.Load(bytes);
        second = Vector128.Load(bytes + 16);
        first = (isOdd ? BlockBits.High(first) : BlockBits.Low(first)) | Fifth(chunk + 16, pair, isOdd);
        second = (isOdd ? BlockBits.High(second) : BlockBits.Low(second)) | Fifth(chunk + 32, pair, isOdd);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> Fifth(byte* bytes, int pair, bool isOdd)
    {
        var mask = Vector128.Create((byte)((isOdd ? 2 : 1) << (2 * pair)));
        return Vector128.Equals(Vector128.Load(bytes) & mask, mask) & Vector128.Create((byte)16);
    }
}
