using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ChatGLM.Tensors.Kernels;

/// <summary>AVX2 with FMA: half a block at once, pairs summed in 16 bits.</summary>
internal unsafe struct GroupSimd256 : IGroupSimd<Vector256<int>, Vector256<float>>
{
    public static int Lanes => 8;

    public static bool HasWideQuads => true;

    public static int ByteOffset => 128;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Load(byte* source) => Vector256.Load((int*)source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Broadcast(int value) => Vector256.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> LowNibbles(Vector256<int> octets) => octets & Vector256.Create(0x0F0F0F0F);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> HighNibbles(Vector256<int> octets) => Vector256.ShiftRightLogical(octets, 4) & Vector256.Create(0x0F0F0F0F);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Open(Vector256<int> total) => Vector256<int>.Zero;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> AddNibbles(Vector256<int> part, Vector256<int> nibbles, byte* quad) =>
        (part.AsInt16() + Avx2.MultiplyAddAdjacent(nibbles.AsByte(), Vector256.Create(*(int*)quad).AsSByte())).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddNibblesInFours(ref Vector256<int> part00, ref Vector256<int> part01, ref Vector256<int> part10, ref Vector256<int> part11, Vector256<int> nibbles0, Vector256<int> nibbles1, byte* quad0, byte* quad1)
    {
        part00 = AddNibbles(part00, nibbles0, quad0);
        part01 = AddNibbles(part01, nibbles1, quad0);
        part10 = AddNibbles(part10, nibbles0, quad1);
        part11 = AddNibbles(part11, nibbles1, quad1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Close(Vector256<int> total, Vector256<int> part) => total + Avx2.MultiplyAddAdjacent(part.AsInt16(), Vector256<short>.One);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Split(Vector256<int> quads, out Vector256<int> first, out Vector256<int> second)
    {
        first = quads & Vector256.Create(0x00FF00FF);
        second = Vector256.ShiftRightLogical(quads.AsUInt16(), 8).AsInt32();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> AddBytes(Vector256<int> total, Vector256<int> first, Vector256<int> second, byte* quad) =>
        total + Avx2.MultiplyAddAdjacent(first.AsInt16(), Vector256.Create(*(int*)quad).AsInt16()) + Avx2.MultiplyAddAdjacent(second.AsInt16(), Vector256.Create(((int*)quad)[1]).AsInt16());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddBytesInPairs(ref Vector256<int> total0, ref Vector256<int> total1, Vector256<int> first0, Vector256<int> second0, Vector256<int> first1, Vector256<int> second1, byte* quad)
    {
        total0 = AddBytes(total0, first0, second0, quad);
        total1 = AddBytes(total1, first1, second1, quad);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> ToFloat(Vector256<int> value) => Vector256.ConvertToSingle(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> LoadScales(ushort* source) => (Avx2.ConvertToVector256Int32(Vector128.Load(source)) << 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Broadcast(float value) => Vector256.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load(float* source) => Vector256.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(float* target, Vector256<float> value) => value.Store(target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Add(Vector256<float> a, Vector256<float> b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Multiply(Vector256<float> a, Vector256<float> b) => a * b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> MultiplyAdd(Vector256<float> a, Vector256<float> b, Vector256<float> c) => Fma.MultiplyAdd(a, b, c);
}
