using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ChatGLM.Tensors.Kernels;

/// <summary>AVX-512 BW: all 16 rows of a block at once. .NET 10 does not expose its dot product instruction (VNNI), so pairs are summed in 16 bits.</summary>
internal unsafe struct GroupSimd512 : IGroupSimd<Vector512<int>, Vector512<float>>
{
    public static int Lanes => 16;

    public static bool HasWideQuads => true;

    public static int ByteOffset => 128;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Load(byte* source) => Vector512.Load((int*)source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Broadcast(int value) => Vector512.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> LowNibbles(Vector512<int> octets) => octets & Vector512.Create(0x0F0F0F0F);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> HighNibbles(Vector512<int> octets) => Vector512.ShiftRightLogical(octets, 4) & Vector512.Create(0x0F0F0F0F);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Open(Vector512<int> total) => Vector512<int>.Zero;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> AddNibbles(Vector512<int> part, Vector512<int> nibbles, byte* quad) =>
        (part.AsInt16() + Avx512BW.MultiplyAddAdjacent(nibbles.AsByte(), Vector512.Create(*(int*)quad).AsSByte())).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddNibblesInFours(ref Vector512<int> part00, ref Vector512<int> part01, ref Vector512<int> part10, ref Vector512<int> part11, Vector512<int> nibbles0, Vector512<int> nibbles1, byte* quad0, byte* quad1)
    {
        var (x0, x1) = (Vector512.Create(*(int*)quad0).AsSByte(), Vector512.Create(*(int*)quad1).AsSByte());
        var product00 = Avx512BW.MultiplyAddAdjacent(nibbles0.AsByte(), x0);
        var product01 = Avx512BW.MultiplyAddAdjacent(nibbles1.AsByte(), x0);
        var product10 = Avx512BW.MultiplyAddAdjacent(nibbles0.AsByte(), x1);
        var product11 = Avx512BW.MultiplyAddAdjacent(nibbles1.AsByte(), x1);
        part00 = (part00.AsInt16() + product00).AsInt32();
        part01 = (part01.AsInt16() + product01).AsInt32();
        part10 = (part10.AsInt16() + product10).AsInt32();
        part11 = (part11.AsInt16() + product11).AsInt32();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Close(Vector512<int> total, Vector512<int> part) => total + Avx512BW.MultiplyAddAdjacent(part.AsInt16(), Vector512<short>.One);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Split(Vector512<int> quads, out Vector512<int> first, out Vector512<int> second)
    {
        first = quads & Vector512.Create(0x00FF00FF);
        second = Vector512.ShiftRightLogical(quads.AsUInt16(), 8).AsInt32();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> AddBytes(Vector512<int> total, Vector512<int> first, Vector512<int> second, byte* quad) =>
        total + Avx512BW.MultiplyAddAdjacent(first.AsInt16(), Vector512.Create(*(int*)quad).AsInt16()) + Avx512BW.MultiplyAddAdjacent(second.AsInt16(), Vector512.Create(((int*)quad)[1]).AsInt16());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddBytesInPairs(ref Vector512<int> total0, ref Vector512<int> total1, Vector512<int> first0, Vector512<int> second0, Vector512<int> first1, Vector512<int> second1, byte* quad)
    {
        var (x, y) = (Vector512.Create(*(int*)quad).AsInt16(), Vector512.Create(((int*)quad)[1]).AsInt16());
        var product0 = Avx512BW.MultiplyAddAdjacent(first0.AsInt16(), x);
        var product1 = Avx512BW.MultiplyAddAdjacent(first1.AsInt16(), x);
        var more0 = Avx512BW.MultiplyAddAdjacent(second0.AsInt16(), y);
        var more1 = Avx512BW.MultiplyAddAdjacent(second1.AsInt16(), y);
        total0 += product0;
        total1 += product1;
        total0 += more0;
        total1 += more1;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> ToFloat(Vector512<int> value) => Vector512.ConvertToSingle(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LoadScales(ushort* source) => (Avx512F.ConvertToVector512Int32(Vector256.Load(source)) << 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Broadcast(float value) => Vector512.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(float* source) => Vector512.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(float* target, Vector512<float> value) => value.Store(target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Add(Vector512<float> a, Vector512<float> b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Multiply(Vector512<float> a, Vector512<float> b) => a * b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> MultiplyAdd(Vector512<float> a, Vector512<float> b, Vector512<float> c) => Avx512F.FusedMultiplyAdd(a, b, c);
}
