using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace ChatGLM.Tensors.Kernels;

/// <summary>Q6_K: see <see cref="BlockQuantizedWeight"/> for the layout.</summary>
internal unsafe struct BlockQ6K : IBlockFormat
{
    private const int BlockBytes = 210;

    public static int Offset => 32;

    public static bool HasMinimum => false;

    public static bool HasHalfScales => true;

    public static int ChunkBytes => BlockBytes;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(byte* chunk, int groups, float* scales, float* minimums)
    {
        var factor = Vector128.Create(BlockBits.WidenHalf(chunk + 208));
        var bytes = Vector128.Load((sbyte*)(chunk + 192));
        var (low, high) = (Vector128.WidenLower(bytes), Vector128.WidenUpper(bytes));
        (Vector128.ConvertToSingle(Vector128.WidenLower(low)) * factor).Store(scales);
        (Vector128.ConvertToSingle(Vector128.WidenUpper(low)) * factor).Store(scales + 4);
        (Vector128.ConvertToSingle(Vector128.WidenLower(high)) * factor).Store(scales + 8);
        (Vector128.ConvertToSingle(Vector128.WidenUpper(high)) * factor).Store(scales + 12);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load(byte* chunk, int pair, bool isOdd, out Vector128<byte> first, out Vector128<byte> second)
    {
        var low = chunk + (pair / 2 * 64) + (isOdd ? 32 : 0);
        var high = chunk + 128 + (pair / 2 * 32);
        first = Join(low, high, pair & 1, isOdd);
        second = Join(low + 16, high + 16, pair & 1, isOdd);
    }

    /// <summary>Lower and upper bits of 16 columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> Join(byte* low, byte* high, int isUpperPair, bool isOdd)
    {
        var four = Vector128.ShiftRightLogical(Vector128.Load(low).AsUInt16(), 4 * isUpperPair).AsByte() & Vector128.Create((byte)15);
        var two = Vector128.ShiftRightLogical(Vector128.Load(high).AsUInt16(), (4 * isUpperPair) + (isOdd ? 2 : 0)).AsByte() & Vector128.Create((byte)3);
        return four | Vector128.ShiftLeft(two.AsUInt16(), 4).AsByte();
    }
}
