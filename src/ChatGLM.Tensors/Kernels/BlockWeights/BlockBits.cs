using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ChatGLM.Tensors.Kernels;

/// <summary>What the block formats have in common: halves to float32, and bits to bytes.</summary>
internal static unsafe class BlockBits
{
    // 2^112 is what float32's bias lets exponent 31 (infinity, NaN) land on 255 with; see Float16Format, which does the same.
    private const uint Reciprocal = (127 - 112) << 23;

    /// <summary>Halves that lie a distance apart, one for each group, as float32; 0 for groups that are missing.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void WidenHalves(byte* source, int distance, int groups, float* target)
    {
        if (groups < 8)
        {
            for (var i = 0; i < 8; i++)
                target[i] = i < groups ? WidenHalf(source + (i * distance)) : 0;
            return;
        }

        var halves = Vector128.Create(
            *(ushort*)source, *(ushort*)(source + distance), *(ushort*)(source + (2 * distance)), *(ushort*)(source + (3 * distance)),
            *(ushort*)(source + (4 * distance)), *(ushort*)(source + (5 * distance)), *(ushort*)(source + (6 * distance)), *(ushort*)(source + (7 * distance)));
        if (Avx2.IsSupported)
        {
            Widen(Avx2.ConvertToVector256Int32(halves).AsUInt32() << 16).Store(target);
        }
        else
        {
            Widen(Vector128.WidenLower(halves) << 16).Store(target);
            Widen(Vector128.WidenUpper(halves) << 16).Store(target + 4);
        }
    }

    /// <summary>One half. Byte by byte, because it can be the last one of a mapped file, and .NET 10 may widen a load of 16 bits whose value becomes a float.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float WidenHalf(byte* source) => Widen(Vector128.CreateScalar((uint)((source[0] << 16) | (source[1] << 24)))).ToScalar();

    /// <summary>Sixteen bits to as many bytes of 16 or 0.</summary>
    /// <param name="word">A word that begins with the 32 bits of a group, in every quarter.</param>
    /// <param name="isUpper">Whether bits 16 to 31 are meant instead of 0 to 15.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> FifthBits(Vector128<byte> word, bool isUpper)
    {
        var masks = Vector128.Create(0x8040201008040201).AsByte();
        var bytes = isUpper
            ? Vector128.Shuffle(word, Vector128.Create((byte)2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3))
            : Vector128.Shuffle(word, Vector128.Create((byte)0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1));
        return Vector128.Equals(bytes & masks, masks) & Vector128.Create((byte)16);
    }

    /// <summary>The low halves of bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Low(Vector128<byte> bytes) => bytes & Vector128.Create((byte)15);

    /// <summary>The high halves of bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> High(Vector128<byte> bytes) => Vector128.ShiftRightLogical(bytes.AsUInt16(), 4).AsByte() & Vector128.Create((byte)15);

    /// <summary>Eight bytes, unsigned, as float32 times a factor.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scale(ulong bytes, float factor, float* target)
    {
        var shorts = Vector128.WidenLower(Vector128.CreateScalar(bytes).AsByte());
        (Vector128.ConvertToSingle(Vector128.WidenLower(shorts).AsInt32()) * Vector128.Create(factor)).Store(target);
        (Vector128.ConvertToSingle(Vector128.WidenUpper(shorts).AsInt32()) * Vector128.Create(factor)).Store(target + 4);
    }

    /// <summary>The 6-bit scales and minimums of a block of Q4_K or Q5_K: 12 bytes to eight and eight.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (ulong Scales, ulong Minimums) SixBits(byte* packed)
    {
        var (a, b, c) = (*(uint*)packed, *(uint*)(packed + 4), *(uint*)(packed + 8));
        var scales = (c & 0x0F0F0F0F) | ((a >> 2) & 0x30303030);
        var minimums = ((c >> 4) & 0x0F0F0F0F) | ((b >> 2) & 0x30303030);
        return ((a & 0x3F3F3F3F) | ((ulong)scales << 32), (b & 0x3F3F3F3F) | ((ulong)minimums << 32));
    }

    /// <summary>Halves in the upper 16 bits, without a denormal operand or result on the way: the scales of real files are often subnormal halves.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Widen(Vector128<uint> bits)
    {
        var scaled = (Vector128.ShiftRightArithmetic(bits.AsInt32(), 3).AsUInt32() & Vector128.Create(0xFFFFE000u)) | Vector128.Create(224u << 23);
        var leading = (scaled & Vector128.Create(0x80000000u)) | Vector128.Create((127u + 98) << 23);
        var subnormal = (scaled.AsSingle() * Vector128.Create(2f)) - leading.AsSingle();
        return Vector128.Min(scaled, subnormal.AsUInt32()).AsSingle() * Vector128.Create(Reciprocal).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Widen(Vector256<uint> bits)
    {
        var scaled = (Vector256.ShiftRightArithmetic(bits.AsInt32(), 3).AsUInt32() & Vector256.Create(0xFFFFE000u)) | Vector256.Create(224u << 23);
        var leading = (scaled & Vector256.Create(0x80000000u)) | Vector256.Create((127u + 98) << 23);
        var subnormal = (scaled.AsSingle() * Vector256.Create(2f)) - leading.AsSingle();
        return Vector256.Min(scaled, subnormal.AsUInt32()).AsSingle() * Vector256.Create(Reciprocal).AsSingle();
    }
}
