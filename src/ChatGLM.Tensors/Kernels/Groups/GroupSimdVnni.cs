using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ChatGLM.Tensors.Kernels;

/// <summary>AVX-VNNI: four products and their sum in one instruction, in 32 bits. Everything else is AVX2's.</summary>
internal unsafe struct GroupSimdVnni : IGroupSimd<Vector256<int>, Vector256<float>>
{
    public static int Lanes => 8;

    public static bool HasWideQuads => false;

    public static int ByteOffset => 128;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Load(byte* source) => GroupSimd256.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Broadcast(int value) => GroupSimd256.Broadcast(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> LowNibbles(Vector256<int> octets) => GroupSimd256.LowNibbles(octets);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> HighNibbles(Vector256<int> octets) => GroupSimd256.HighNibbles(octets);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Open(Vector256<int> total) => total;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> AddNibbles(Vector256<int> part, Vector256<int> nibbles, byte* quad) => Dot(part, nibbles, *(int*)quad);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddNibblesInFours(ref Vector256<int> part00, ref Vector256<int> part01, ref Vector256<int> part10, ref Vector256<int> part11, Vector256<int> nibbles0, Vector256<int> nibbles1, byte* quad0, byte* quad1)
    {
        part00 = AddNibbles(part00, nibbles0, quad0);
        part01 = AddNibbles(part01, nibbles1, quad0);
        part10 = AddNibbles(part10, nibbles0, quad1);
        part11 = AddNibbles(part11, nibbles1, quad1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Close(Vector256<int> total, Vector256<int> part) => part;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Split(Vector256<int> quads, out Vector256<int> first, out Vector256<int> second)
    {
        first = quads;
        second = quads;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> AddBytes(Vector256<int> total, Vector256<int> first, Vector256<int> second, byte* quad) => Dot(total, first, *(int*)quad);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddBytesInPairs(ref Vector256<int> total0, ref Vector256<int> total1, Vector256<int> first0, Vector256<int> second0, Vector256<int> first1, Vector256<int> second1, byte* quad)
    {
        total0 = AddBytes(total0, first0, second0, quad);
        total1 = AddBytes(total1, first1, second1, quad);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> ToFloat(Vector256<int> value) => GroupSimd256.ToFloat(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> LoadScales(ushort* source) => GroupSimd256.LoadScales(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Broadcast(float value) => GroupSimd256.Broadcast(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load(float* source) => GroupSimd256.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(float* target, Vector256<float> value) => GroupSimd256.Store(target, value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Add(Vector256<float> a, Vector256<float> b) => GroupSimd256.Add(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Multiply(Vector256<float> a, Vector256<float> b) => GroupSimd256.Multiply(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> MultiplyAdd(Vector256<float> a, Vector256<float> b, Vector256<float> c) => GroupSimd256.MultiplyAdd(a, b, c);

    // The second form does the same on a processor without the instruction, so that everything around it can be tested there; it is never chosen for speed.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Dot(Vector256<int> sums, Vector256<int> unsigned, int quad)
    {
        var signed = Vector256.Create(quad);
        if (AvxVnni.IsSupported)
            return AvxVnni.MultiplyWideningAndAdd(sums, unsigned.AsByte(), signed.AsSByte());
        var even = Avx2.MultiplyAddAdjacent((unsigned & Vector256.Create(0x00FF00FF)).AsInt16(), (signed.AsInt16() << 8) >> 8);
        var odd = Avx2.MultiplyAddAdjacent(Vector256.ShiftRightLogical(unsigned.AsUInt16(), 8).AsInt16(), signed.AsInt16() >> 8);
        return sums + even + odd;
    }
}
