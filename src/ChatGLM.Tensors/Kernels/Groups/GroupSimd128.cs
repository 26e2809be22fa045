using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace ChatGLM.Tensors.Kernels;

/// <summary>A quarter of a block at once: Arm's dot product instruction, SSSE3's sums of pairs, or plain 32-bit products on anything else.</summary>
internal unsafe struct GroupSimd128 : IGroupSimd<Vector128<int>, Vector128<float>>
{
    public static int Lanes => 4;

    public static bool HasWideQuads => Ssse3.IsSupported;

    // Arm multiplies signed bytes with signed ones, so the offset is taken off first; it is one exclusive or.
    public static int ByteOffset => Dp.IsSupported ? 0 : 128;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Load(byte* source) => Vector128.Load((int*)source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Broadcast(int value) => Vector128.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> LowNibbles(Vector128<int> octets) => octets & Vector128.Create(0x0F0F0F0F);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> HighNibbles(Vector128<int> octets) => Vector128.ShiftRightLogical(octets, 4) & Vector128.Create(0x0F0F0F0F);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Open(Vector128<int> total) => Ssse3.IsSupported ? Vector128<int>.Zero : total;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> AddNibbles(Vector128<int> part, Vector128<int> nibbles, byte* quad)
    {
        var x = Vector128.Create(*(int*)quad);
        if (Ssse3.IsSupported)
            return (part.AsInt16() + Ssse3.MultiplyAddAdjacent(nibbles.AsByte(), x.AsSByte())).AsInt32();
        return Dp.IsSupported ? Dp.DotProduct(part, nibbles.AsSByte(), x.AsSByte()) : AddProducts(part, nibbles, x);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddNibblesInFours(ref Vector128<int> part00, ref Vector128<int> part01, ref Vector128<int> part10, ref Vector128<int> part11, Vector128<int> nibbles0, Vector128<int> nibbles1, byte* quad0, byte* quad1)
    {
        part00 = AddNibbles(part00, nibbles0, quad0);
        part01 = AddNibbles(part01, nibbles1, quad0);
        part10 = AddNibbles(part10, nibbles0, quad1);
        part11 = AddNibbles(part11, nibbles1, quad1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Close(Vector128<int> total, Vector128<int> part) => Ssse3.IsSupported ? total + Sse2.MultiplyAddAdjacent(part.AsInt16(), Vector128<short>.One) : part;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Split(Vector128<int> quads, out Vector128<int> first, out Vector128<int> second)
    {
        first = quads;
        second = quads;
        if (Ssse3.IsSupported)
        {
            first = quads & Vector128.Create(0x00FF00FF);
            second = Vector128.ShiftRightLogical(quads.AsUInt16(), 8).AsInt32();
        }
        else if (Dp.IsSupported)
        {
            first = quads ^ Vector128.Create(unchecked((int)0x80808080));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> AddBytes(Vector128<int> total, Vector128<int> first, Vector128<int> second, byte* quad)
    {
        var x = Vector128.Create(*(int*)quad);
        if (Ssse3.IsSupported)
            return total + Sse2.MultiplyAddAdjacent(first.AsInt16(), x.AsInt16()) + Sse2.MultiplyAddAdjacent(second.AsInt16(), Vector128.Create(((int*)quad)[1]).AsInt16());
        return Dp.IsSupported ? Dp.DotProduct(total, first.AsSByte(), x.AsSByte()) : AddProducts(total, first, x);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddBytesInPairs(ref Vector128<int> total0, ref Vector128<int> total1, Vector128<int> first0, Vector128<int> second0, Vector128<int> first1, Vector128<int> second1, byte* quad)
    {
        total0 = AddBytes(total0, first0, second0, quad);
        total1 = AddBytes(total1, first1, second1, quad);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> ToFloat(Vector128<int> value) => Vector128.ConvertToSingle(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> LoadScales(ushort* source) => (Vector128.WidenLower(Vector128.CreateScalarUnsafe(*(ulong*)source).AsUInt16()) << 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Broadcast(float value) => Vector128.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Load(float* source) => Vector128.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(float* target, Vector128<float> value) => value.Store(target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Add(Vector128<float> a, Vector128<float> b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Multiply(Vector128<float> a, Vector128<float> b) => a * b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> MultiplyAdd(Vector128<float> a, Vector128<float> b, Vector128<float> c) => Vector128.FusedMultiplyAdd(a, b, c);

    /// <summary>Unsigned bytes of the weight times signed ones of the activations, byte by byte in 32 bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> AddProducts(Vector128<int> sums, Vector128<int> weights, Vector128<int> x)
    {
        var mask = Vector128.Create(0xFF);
        sums += (weights & mask) * ((x << 24) >> 24);
        sums += (Vector128.ShiftRightLogical(weights, 8) & mask) * ((x << 16) >> 24);
        sums += (Vector128.ShiftRightLogical(weights, 16) & mask) * ((x << 8) >> 24);
        return sums + (Vector128.ShiftRightLogical(weights, 24) * (x >> 24));
    }
}
