using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ChatGLM.Tensors.Kernels;

/// <summary>AVX-512: 32 registers, so the tile is 12 rows of 2 vectors.</summary>
internal unsafe struct Simd512 : ISimd<Vector512<float>>
{
    public static int Count => 16;

    public static int TileRows => 12;

    public static Vector512<float> Zero => Vector512<float>.Zero;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(float* source) => Vector512.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(float* target, Vector512<float> value) => Vector512.Store(value, target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LoadUInt16(byte* source) => Avx512F.ConvertToVector512UInt32(Unsafe.ReadUnaligned<Vector256<ushort>>(source)).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LoadInt8(byte* source) => Vector512.ConvertToSingle(Avx512F.ConvertToVector512Int32(Unsafe.ReadUnaligned<Vector128<sbyte>>(source)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadInt4(byte* source, out Vector512<float> high, out Vector512<float> low)
    {
        // The permutation looks at the lowest four bits of a lane only: 16 lanes are the table of all 4-bit numbers.
        var values = Vector512.Create(0f, 1, 2, 3, 4, 5, 6, 7, -8, -7, -6, -5, -4, -3, -2, -1);
        var bytes = Avx512F.ConvertToVector512Int32(Unsafe.ReadUnaligned<Vector128<byte>>(source));
        high = Avx512F.PermuteVar16x32(values, bytes >>> 4);
        low = Avx512F.PermuteVar16x32(values, bytes);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Broadcast(float value) => Vector512.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> BroadcastBits(uint bits) => Vector512.Create(bits).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Add(Vector512<float> a, Vector512<float> b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Multiply(Vector512<float> a, Vector512<float> b) => a * b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> MultiplyAdd(Vector512<float> a, Vector512<float> b, Vector512<float> c) => Vector512.MultiplyAddEstimate(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> MultiplySubtract(Vector512<float> a, Vector512<float> b, Vector512<float> c) => Avx512F.FusedMultiplySubtract(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> MinBits(Vector512<float> a, Vector512<float> b) => Vector512.Min(a.AsUInt32(), b.AsUInt32()).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> And(Vector512<float> a, Vector512<float> b) => a & b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Or(Vector512<float> a, Vector512<float> b) => a | b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> ShiftLeft(Vector512<float> a, int bits) => (a.AsUInt32() << bits).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> ShiftRightArithmetic(Vector512<float> a, int bits) => (a.AsInt32() >> bits).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> FlushDenormals(Vector512<float> a) =>
        Vector512.ConditionalSelect(Vector512.Equals(a.AsUInt32() & Vector512.Create(0x7F800000u), Vector512<uint>.Zero).AsSingle(), Vector512<float>.Zero, a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Deinterleave(float* source, out Vector512<float> even, out Vector512<float> odd)
    {
        var (a, b) = (Vector512.Load(source), Vector512.Load(source + 16));
        even = Avx512F.PermuteVar16x32x2(a, Vector512.Create(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30), b);
        odd = Avx512F.PermuteVar16x32x2(a, Vector512.Create(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31), b);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreInterleaved(float* target, Vector512<float> even, Vector512<float> odd)
    {
        Vector512.Store(Avx512F.PermuteVar16x32x2(even, Vector512.Create(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23), odd), target);
        Vector512.Store(Avx512F.PermuteVar16x32x2(even, Vector512.Create(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31), odd), target + 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Vector512<float> a) => Vector512.Sum(a);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Transpose(float* source, nint sourceStride, int rows, float* target, nint targetStride)
    {
        var r0 = Row(source, sourceStride, 0, rows);
        var r1 = Row(source, sourceStride, 1, rows);
        var r2 = Row(source, sourceStride, 2, rows);
        var r3 = Row(source, sourceStride, 3, rows);
        var r4 = Row(source, sourceStride, 4, rows);
        var r5 = Row(source, sourceStride, 5, rows);
        var r6 = Row(source, sourceStride, 6, rows);
        var r7 = Row(source, sourceStride, 7, rows);
        var r8 = Row(source, sourceStride, 8, rows);
        var r9 = Row(source, sourceStride, 9, rows);
        var r10 = Row(source, sourceStride, 10, rows);
        var r11 = Row(source, sourceStride, 11, rows);
        var r12 = Row(source, sourceStride, 12, rows);
        var r13 = Row(source, sourceStride, 13, rows);
        var r14 = Row(source, sourceStride, 14, rows);
        var r15 = Row(source, sourceStride, 15, rows);

        // Pairs of rows, then pairs of pairs: each 128-bit lane holds 4 x 4 numbers transposed.
        var p0 = Avx512F.UnpackLow(r0, r1);
        var p1 = Avx512F.UnpackHigh(r0, r1);
        var p2 = Avx512F.UnpackLow(r2, r3);
        var p3 = Avx512F.UnpackHigh(r2, r3);
        var p4 = Avx512F.UnpackLow(r4, r5);
        var p5 = Avx512F.UnpackHigh(r4, r5);
        var p6 = Avx512F.UnpackLow(r6, r7);
        var p7 = Avx512F.UnpackHigh(r6, r7);
        var p8 = Avx512F.UnpackLow(r8, r9);
        var p9 = Avx512F.UnpackHigh(r8, r9);
        var p10 = Avx512F.UnpackLow(r10, r11);
        var p11 = Avx512F.UnpackHigh(r10, r11);
        var p12 = Avx512F.UnpackLow(r12, r13);
        var p13 = Avx512F.UnpackHigh(r12, r13);
        var p14 = Avx512F.UnpackLow(r14, r15);
        var p15 = Avx512F.UnpackHigh(r14, r15);
        var q0 = UnpackLowPairs(p0, p2);
        var q1 = UnpackHighPairs(p0, p2);
        var q2 = UnpackLowPairs(p1, p3);
        var q3 = UnpackHighPairs(p1, p3);
        var q4 = UnpackLowPairs(p4, p6);
        var q5 = UnpackHighPairs(p4, p6);
        var q6 = UnpackLowPairs(p5, p7);
        var q7 = UnpackHighPairs(p5, p7);
        var q8 = UnpackLowPairs(p8, p10);
        var q9 = UnpackHighPairs(p8, p10);
        var q10 = UnpackLowPairs(p9, p11);
        var q11 = UnpackHighPairs(p9, p11);
        var q12 = UnpackLowPairs(p12, p14);
        var q13 = UnpackHighPairs(p12, p14);
        var q14 = UnpackLowPairs(p13, p15);
        var q15 = UnpackHighPairs(p13, p15);

        // The 4 x 4 lanes themselves: lane l of the vectors for column c holds columns 4 l + c.
        var even0 = Avx512F.Shuffle4x128(q0, q4, 0x88);
        var odd0 = Avx512F.Shuffle4x128(q0, q4, 0xDD);
        var evenHigh0 = Avx512F.Shuffle4x128(q8, q12, 0x88);
        var oddHigh0 = Avx512F.Shuffle4x128(q8, q12, 0xDD);
        var even1 = Avx512F.Shuffle4x128(q1, q5, 0x88);
        var odd1 = Avx512F.Shuffle4x128(q1, q5, 0xDD);
        var evenHigh1 = Avx512F.Shuffle4x128(q9, q13, 0x88);
        var oddHigh1 = Avx512F.Shuffle4x128(q9, q13, 0xDD);
        var even2 = Avx512F.Shuffle4x128(q2, q6, 0x88);
        var odd2 = Avx512F.Shuffle4x128(q2, q6, 0xDD);
        var evenHigh2 = Avx512F.Shuffle4x128(q10, q14, 0x88);
        var oddHigh2 = Avx512F.Shuffle4x128(q10, q14, 0xDD);
        var even3 = Avx512F.Shuffle4x128(q3, q7, 0x88);
        var odd3 = Avx512F.Shuffle4x128(q3, q7, 0xDD);
        var evenHigh3 = Avx512F.Shuffle4x128(q11, q15, 0x88);
        var oddHigh3 = Avx512F.Shuffle4x128(q11, q15, 0xDD);
        Vector512.Store(Avx512F.Shuffle4x128(even0, evenHigh0, 0x88), target + (0 * targetStride));
        Vector512.Store(Avx512F.Shuffle4x128(even1, evenHigh1, 0x88), target + (1 * targetStride));
        Vector512.Store(Avx512F.Shuffle4x128(even2, evenHigh2, 0x88), target + (2 * targetStride));
        Vector512.Store(Avx512F.Shuffle4x128(even3, evenHigh3, 0x88), target + (3 * targetStride));
        Vector512.Store(Avx512F.Shuffle4x128(odd0, oddHigh0, 0x88), target + (4 * targetStride));
        Vector512.Store(Avx512F.Shuffle4x128(odd1, oddHigh1, 0x88), target + (5 * targetStride));
        Vector512.Store(Avx512F.Shuffle4x128(odd2, oddHigh2, 0x88), target + (6 * targetStride));
        Vector512.Store(Avx512F.Shuffle4x128(odd3, oddHigh3, 0x88), target + (7 * targetStride));
        Vector512.Store(Avx512F.Shuffle4x128(even0, evenHigh0, 0xDD), target + (8 * targetStride));
        Vector512.Store(Avx512F.Shuffle4x128(even1, evenHigh1, 0xDD), target + (9 * targetStride));
        Vector512.Store(Avx512F.Shuffle4x128(even2, evenHigh2, 0xDD), target + (10 * targetStride));
        Vector512.Store(Avx512F.Shuffle4x128(even3, evenHigh3, 0xDD), target + (11 * targetStride));
        Vector512.Store(Avx512F.Shuffle4x128(odd0, oddHigh0, 0xDD), target + (12 * targetStride));
        Vector512.Store(Avx512F.Shuffle4x128(odd1, oddHigh1, 0xDD), target + (13 * targetStride));
        Vector512.Store(Avx512F.Shuffle4x128(odd2, oddHigh2, 0xDD), target + (14 * targetStride));
        Vector512.Store(Avx512F.Shuffle4x128(odd3, oddHigh3, 0xDD), target + (15 * targetStride));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> TakeField(Vector512<float> a, int left, int right) => ((a.AsInt16() << left) >> right).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> MultiplyPairs(Vector512<float> a, Vector512<float> b) => Avx512BW.MultiplyAddAdjacent(a.AsInt16(), b.AsInt16()).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> AddIntegers(Vector512<float> a, Vector512<float> b) => (a.AsInt32() + b.AsInt32()).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> ToFloat(Vector512<float> integers) => Vector512.ConvertToSingle(integers.AsInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> FusedMultiplyAdd(Vector512<float> a, Vector512<float> b, Vector512<float> c) => Avx512F.FusedMultiplyAdd(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> SumIntegers(Vector512<float> a, Vector512<float> b, Vector512<float> c, Vector512<float> d)
    {
        // Every 128-bit lane ends up with its part of the four sums.
        var ab = Avx512F.UnpackLow(a.AsInt32(), b.AsInt32()) + Avx512F.UnpackHigh(a.AsInt32(), b.AsInt32());
        var cd = Avx512F.UnpackLow(c.AsInt32(), d.AsInt32()) + Avx512F.UnpackHigh(c.AsInt32(), d.AsInt32());
        var sums = Avx512F.UnpackLow(ab.AsInt64(), cd.AsInt64()).AsInt32() + Avx512F.UnpackHigh(ab.AsInt64(), cd.AsInt64()).AsInt32();
        var half = sums.GetLower() + sums.GetUpper();
        return half.GetLower() + half.GetUpper();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Row(float* source, nint stride, int row, int rows) => row < rows ? Vector512.Load(source + (row * stride)) : Vector512<float>.Zero;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> UnpackLowPairs(Vector512<float> a, Vector512<float> b) => Avx512F.UnpackLow(a.AsDouble(), b.AsDouble()).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> UnpackHighPairs(Vector512<float> a, Vector512<float> b) => Avx512F.UnpackHigh(a.AsDouble(), b.AsDouble()).AsSingle();
}
