using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace ChatGLM.Tensors;

/// <summary>8 lanes in one 256-bit vector.</summary>
internal readonly unsafe struct Lanes8(Vector256<float> value) : ILanes<Lanes8>
{
    private readonly Vector256<float> _value = value;

    public static int Count => 8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes8 Broadcast(float value) => new(Vector256.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes8 Load(float* source) => new(Vector256.Load(source));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes8 LoadBFloat16(ushort* source) => new((Widen(source) << 16).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes8 LoadHalf(ushort* source)
    {
        var half = Widen(source);
        var magnitude = (half & Vector256.Create(0x7FFFu)) << 13;

        // With the exponent read as float32's, the number is 2^112 too small; the product is exact, for subnormals too. Infinity and NaN keep their exponent of all ones.
        var scaled = (magnitude.AsSingle() * Vector256.Create(5.192296858534828e33f)).AsUInt32();
        var special = Vector256.GreaterThan(magnitude, Vector256.Create(0x0F7FFFFFu)) & Vector256.Create(0x7F800000u);
        return new(((half & Vector256.Create(0x8000u)) << 16 | scaled | special).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes8 LoadSByte(sbyte* source) => new(Vector256.ConvertToSingle(Vector256.WidenLower(Vector128.WidenLower(Vector64.Load(source).ToVector128Unsafe()).ToVector256Unsafe())));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes8 LoadNonZero(byte* source) => new((~Vector256.Equals(Vector256.WidenLower(Vector128.WidenLower(Vector64.Load(source).ToVector128Unsafe()).ToVector256Unsafe()), Vector256<uint>.Zero)).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(float* target) => _value.Store(target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void StoreBFloat16(ushort* target)
    {
        var bits = _value.AsUInt32();
        var rounded = (bits + Vector256.Create(0x7FFFu) + ((bits >> 16) & Vector256<uint>.One)) >> 16;
        Narrow(Vector256.ConditionalSelect(Vector256.Equals(_value, _value).AsUInt32(), rounded, Vector256.Create(0x7FC0u)), target);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void StoreHalf(ushort* target)
    {
        var bits = _value.AsUInt32();
        var magnitude = bits & Vector256.Create(0x7FFFFFFFu);

        // Normal halves: rebase the exponent by 112 and round away 13 bits. Subnormal halves: adding 0.5 lines the bits up with 2^-24, and the addition rounds.
        var normal = (magnitude - Vector256.Create(112u << 23) + Vector256.Create(0xFFFu) + ((magnitude >> 13) & Vector256<uint>.One)) >> 13;
        var subnormal = (magnitude.AsSingle() + Vector256.Create(0.5f)).AsUInt32() - Vector256.Create(0x3F000000u);
        var finite = Vector256.ConditionalSelect(Vector256.LessThan(magnitude, Vector256.Create(113u << 23)), subnormal, normal);
        var clamped = Vector256.ConditionalSelect(Vector256.LessThan(magnitude, Vector256.Create(0x477FF000u)), finite, Vector256.Create(0x7C00u));
        var result = Vector256.ConditionalSelect(Vector256.GreaterThan(magnitude, Vector256.Create(0x7F800000u)), Vector256.Create(0x7E00u), clamped);
        Narrow(result | ((bits >> 16) & Vector256.Create(0x8000u)), target);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes8 operator +(Lanes8 a, Lanes8 b) => new(a._value + b._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes8 operator -(Lanes8 a, Lanes8 b) => new(a._value - b._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes8 operator *(Lanes8 a, Lanes8 b) => new(a._value * b._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes8 operator /(Lanes8 a, Lanes8 b) => new(a._value / b._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes8 operator -(Lanes8 a) => new(-a._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes8 MultiplyAdd(Lanes8 a, Lanes8 b, Lanes8 c) => new(Vector256.FusedMultiplyAdd(a._value, b._value, c._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes8 Min(Lanes8 a, Lanes8 b) => new(Vector256.MinNative(a._value, b._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes8 Max(Lanes8 a, Lanes8 b) => new(Vector256.MaxNative(a._value, b._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes8 Abs(Lanes8 a) => new(Vector256.Abs(a._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes8 Sqrt(Lanes8 a) => new(Vector256.Sqrt(a._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes8 Round(Lanes8 a) => new(Vector256.Round(a._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes8 LessThan(Lanes8 a, Lanes8 b) => new(Vector256.LessThan(a._value, b._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes8 Select(Lanes8 mask, Lanes8 a, Lanes8 b) => new(Vector256.ConditionalSelect(mask._value, a._value, b._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes8 AddToExponent(Lanes8 a, Lanes8 power) => new((a._value.AsInt32() + (Vector256.ConvertToInt32Native(power._value) << 23)).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes8 Exponent(Lanes8 a) => new(Vector256.ConvertToSingle((a._value.AsUInt32() >> 23).AsInt32() - Vector256.Create(126)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes8 Fraction(Lanes8 a) => new(((a._value.AsUInt32() & Vector256.Create(0x007FFFFFu)) | Vector256.Create(0x3F000000u)).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes8 SwapPairs(Lanes8 a) => new(Vector256.Shuffle(a._value, Vector256.Create(1, 0, 3, 2, 5, 4, 7, 6)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void AddSquaresTo(double* sums)
    {
        var (lower, upper) = Vector256.Widen(_value);
        Vector256.FusedMultiplyAdd(lower, lower, Vector256.Load(sums)).Store(sums);
        Vector256.FusedMultiplyAdd(upper, upper, Vector256.Load(sums + (8 / 2))).Store(sums + (8 / 2));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public float Sum() => new Lanes4(_value.GetLower() + _value.GetUpper()).Sum();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public float MaxAcross() => new Lanes4(Vector128.MaxNative(_value.GetLower(), _value.GetUpper())).MaxAcross();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> Widen(ushort* source) => Vector256.WidenLower(Vector128.Load(source).ToVector256Unsafe());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Narrow(Vector256<uint> wide, ushort* target) => Vector256.Narrow(wide, wide).GetLower().Store(target);
}
