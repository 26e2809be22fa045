using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace ChatGLM.Tensors.Kernels;

/// <summary>Plain scalar code, for processors without vectors and as a check on the others.</summary>
internal unsafe struct SimdScalar : ISimd<float>
{
    public static int Count => 1;

    public static int TileRows => 4;

    public static float Zero => 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Load(float* source) => *source;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(float* target, float value) => *target = value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float LoadUInt16(byte* source) => FromBits(LoadWord(source));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float LoadInt8(byte* source) => *(sbyte*)source;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadInt4(byte* source, out float high, out float low)
    {
        high = *(sbyte*)source >> 4;
        low = (sbyte)(*source << 4) >> 4;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Broadcast(float value) => value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float BroadcastBits(uint bits) => FromBits(bits);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Add(float a, float b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Multiply(float a, float b) => a * b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float MultiplyAdd(float a, float b, float c) => float.MultiplyAddEstimate(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float MultiplySubtract(float a, float b, float c) => float.MultiplyAddEstimate(a, b, -c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float MinBits(float a, float b) => FromBits(Math.Min(Bits(a), Bits(b)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float And(float a, float b) => FromBits(Bits(a) & Bits(b));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Or(float a, float b) => FromBits(Bits(a) | Bits(b));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float ShiftLeft(float a, int bits) => FromBits(Bits(a) << bits);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float ShiftRightArithmetic(float a, int bits) => FromBits((uint)((int)Bits(a) >> bits));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float FlushDenormals(float a) => (Bits(a) & 0x7F800000) == 0 ? 0 : a;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Deinterleave(float* source, out float even, out float odd)
    {
        even = source[0];
        odd = source[1];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreInterleaved(float* target, float even, float odd)
    {
        target[0] = even;
        target[1] = odd;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(float a) => a;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Transpose(float* source, nint sourceStride, int rows, float* target, nint targetStride) => *target = rows > 0 ? *source : 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float TakeField(float a, int left, int right)
    {
        var low = (short)((short)Bits(a) << left) >> right;
        var high = (short)((short)(Bits(a) >> 16) << left) >> right;
        return FromBits((ushort)low | ((uint)high << 16));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float MultiplyPairs(float a, float b) =>
        FromBits((uint)(((short)Bits(a) * (short)Bits(b)) + ((short)(Bits(a) >> 16) * (short)(Bits(b) >> 16))));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float AddIntegers(float a, float b) => FromBits(Bits(a) + Bits(b));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float ToFloat(float integers) => (int)Bits(integers);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float FusedMultiplyAdd(float a, float b, float c) => MathF.FusedMultiplyAdd(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> SumIntegers(float a, float b, float c, float d) => Vector128.Create((int)Bits(a), (int)Bits(b), (int)Bits(c), (int)Bits(d));

    private static uint Bits(float value) => BitConverter.SingleToUInt32Bits(value);

    private static float FromBits(uint bits) => BitConverter.UInt32BitsToSingle(bits);

    // Not inlined: of a 16-bit load whose bits then become a float, .NET 10 makes one load of 32 bits, two bytes beyond the element. At the end of a mapped file that ends the process.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static uint LoadWord(byte* source) => Unsafe.ReadUnaligned<ushort>(source);
}
