using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ChatGLM.Tensors.Kernels;

/// <summary>AVX2 with FMA: 16 registers, so the tile is 6 rows of 2 vectors.</summary>
internal unsafe struct Simd256 : ISimd<Vector256<float>>
{
    public static int Count => 8;

    public static int TileRows => 6;

    public static Vector256<float> Zero => Vector256<float>.Zero;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load(float* source) => Vector256.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(float* target, Vector256<float> value) => Vector256.Store(value, target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> LoadUInt16(byte* source) => Avx2.ConvertToVector256Int32(Unsafe.ReadUnaligned<Vector128<ushort>>(source)).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> LoadInt8(byte* source) => Vector256.ConvertToSingle(Avx2.ConvertToVector256Int32((sbyte*)source));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadInt4(byte* source, out Vector256<float> high, out Vector256<float> low)
    {
        var bytes = Avx2.ConvertToVector256Int32((sbyte*)source);
        high = Vector256.ConvertToSingle(bytes >> 4);
        low = Vector256.ConvertToSingle((bytes << 28) >> 28);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Broadcast(float value) => Vector256.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> BroadcastBits(uint bits) => Vector256.Create(bits).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Add(Vector256<float> a, Vector256<float> b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Multiply(Vector256<float> a, Vector256<float> b) => a * b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> MultiplyAdd(Vector256<float> a, Vector256<float> b, Vector256<float> c) => Vector256.MultiplyAddEstimate(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> MultiplySubtract(Vector256<float> a, Vector256<float> b, Vector256<float> c) => Fma.MultiplySubtract(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> MinBits(Vector256<float> a, Vector256<float> b) => Vector256.Min(a.AsUInt32(), b.AsUInt32()).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> And(Vector256<float> a, Vector256<float> b) => a & b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Or(Vector256<float> a, Vector256<float> b) => a | b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> ShiftLeft(Vector256<float> a, int bits) => (a.AsUInt32() << bits).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> ShiftRightArithmetic(Vector256<float> a, int bits) => (a.AsInt32() >> bits).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> FlushDenormals(Vector256<float> a) =>
        Vector256.ConditionalSelect(Vector256.Equals(a.AsUInt32() & Vector256.Create(0x7F800000u), Vector256<uint>.Zero).AsSingle(), Vector256<float>.Zero, a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Deinterleave(float* source, out Vector256<float> even, out Vector256<float> odd)
    {
        var (a, b) = (Vector256.Load(source), Vector256.Load(source + 8));
        even = Avx2.Permute4x64(Avx.Shuffle(a, b, 0b10_00_10_00).AsDouble(), 0b11_01_10_00).AsSingle();
        odd = Avx2.Permute4x64(Avx.Shuffle(a, b, 0b11_01_11_01).AsDouble(), 0b11_01_10_00).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreInterleaved(float* target, Vector256<float> even, Vector256<float> odd)
    {
        var (lower, upper) = (Avx.UnpackLow(even, odd), Avx.UnpackHigh(even, odd));
        Vector256.Store(Avx.Permute2x128(lower, upper, 0x20), target);
        Vector256.Store(Avx.Permute2x128(lower, upper, 0x31), target + 8);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Vector256<float> a) => Vector256.Sum(a);

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
        var p0 = Avx.UnpackLow(r0, r1);
        var p1 = Avx.UnpackHigh(r0, r1);
        var p2 = Avx.UnpackLow(r2, r3);
        var p3 = Avx.UnpackHigh(r2, r3);
        var p4 = Avx.UnpackLow(r4, r5);
        var p5 = Avx.UnpackHigh(r4, r5);
        var p6 = Avx.UnpackLow(r6, r7);
        var p7 = Avx.UnpackHigh(r6, r7);
        var q0 = Avx.UnpackLow(p0.AsDouble(), p2.AsDouble()).AsSingle();
        var q1 = Avx.UnpackHigh(p0.AsDouble(), p2.AsDouble()).AsSingle();
        var q2 = Avx.UnpackLow(p1.AsDouble(), p3.AsDouble()).AsSingle();
        var q3 = Avx.UnpackHigh(p1.AsDouble(), p3.AsDouble()).AsSingle();
        var q4 = Avx.UnpackLow(p4.AsDouble(), p6.AsDouble()).AsSingle();
        var q5 = Avx.UnpackHigh(p4.AsDouble(), p6.AsDouble()).AsSingle();
        var q6 = Avx.UnpackLow(p5.AsDouble(), p7.AsDouble()).AsSingle();
        var q7 = Avx.UnpackHigh(p5.AsDouble(), p7.AsDouble()).AsSingle();
        Vector256.Store(Avx.Permute2x128(q0, q4, 0x20), target + (0 * targetStride));
        Vector256.Store(Avx.Permute2x128(q1, q5, 0x20), target + (1 * targetStride));
        Vector256.Store(Avx.Permute2x128(q2, q6, 0x20), target + (2 * targetStride));
        Vector256.Store(Avx.Permute2x128(q3, q7, 0x20), target + (3 * targetStride));
        Vector256.Store(Avx.Permute2x128(q0, q4, 0x31), target + (4 * targetStride));
        Vector256.Store(Avx.Permute2x128(q1, q5, 0x31), target + (5 * targetStride));
        Vector256.Store(Avx.Permute2x128(q2, q6, 0x31), target + (6 * targetStride));
        Vector256.Store(Avx.Permute2x128(q3, q7, 0x31), target + (7 * targetStride));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> TakeField(Vector256<float> a, int left, int right) => ((a.AsInt16() << left) >> right).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> MultiplyPairs(Vector256<float> a, Vector256<float> b) => Avx2.MultiplyAddAdjacent(a.AsInt16(), b.AsInt16()).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> AddIntegers(Vector256<float> a, Vector256<float> b) => (a.AsInt32() + b.AsInt32()).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> ToFloat(Vector256<float> integers) => Vector256.ConvertToSingle(integers.AsInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> FusedMultiplyAdd(Vector256<float> a, Vector256<float> b, Vector256<float> c) => Fma.MultiplyAdd(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> SumIntegers(Vector256<float> a, Vector256<float> b, Vector256<float> c, Vector256<float> d)
    {
        var ab = Avx2.UnpackLow(a.AsInt32(), b.AsInt32()) + Avx2.UnpackHigh(a.AsInt32(), b.AsInt32());
        var cd = Avx2.UnpackLow(c.AsInt32(), d.AsInt32()) + Avx2.UnpackHigh(c.AsInt32(), d.AsInt32());
        var sums = Avx2.UnpackLow(ab.AsInt64(), cd.AsInt64()).AsInt32() + Avx2.UnpackHigh(ab.AsInt64(), cd.AsInt64()).AsInt32();
        return sums.GetLower() + sums.GetUpper();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Row(float* source, nint stride, int row, int rows) => row < rows ? Vector256.Load(source + (row * stride)) : Vector256<float>.Zero;
}
