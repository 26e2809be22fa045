using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace ChatGLM.Tensors;

/// <summary>16 lanes in one 512-bit vector.</summary>
internal readonly unsafe struct Lanes16(Vector512<float> value) : ILanes<Lanes16>
{
    private readonly Vector512<float> _value = value;

    public static int Count => 16;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes16 Broadcast(float value) => new(Vector512.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes16 Load(float* source) => new(Vector512.Load(source));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes16 LoadBFloat16(ushort* source) => new((Widen(source) << 16).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes16 LoadHalf(ushort* source)
    {
        var half = Widen(source);
        var magnitude = (half & Vector512.Create(0x7FFFu)) << 13;

        // With the exponent read as float32's, the number is 2^112 too small; the product is exact, for subnormals too. Infinity and NaN keep their exponent of all ones.
        var scaled = (magnitude.AsSingle() * Vector512.Create(5.192296858534828e33f)).AsUInt32();
        var special = Vector512.GreaterThan(magnitude, Vector512.Create(0x0F7FFFFFu)) & Vector512.Create(0x7F800000u);
        return new(((half & Vector512.Create(0x8000u)) << 16 | scaled | special).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes16 LoadSByte(sbyte* source) => new(Vector512.ConvertToSingle(Vector512.WidenLower(Vector256.WidenLower(Vector128.Load(source).ToVector256Unsafe()).ToVector512Unsafe())));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes16 LoadNonZero(byte* source) => new((~Vector512.Equals(Vector512.WidenLower(Vector256.WidenLower(Vector128.Load(source).ToVector256Unsafe()).ToVector512Unsafe()), Vector512<uint>.Zero)).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(float* target) => _value.Store(target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void StoreBFloat16(ushort* target)
    {
        var bits = _value.AsUInt32();
        var rounded = (bits + Vector512.Create(0x7FFFu) + ((bits >> 16) & Vector512<uint>.One)) >> 16;
        Narrow(Vector512.ConditionalSelect(Vector512.Equals(_value, _value).AsUInt32(), rounded, Vector512.Create(0x7FC0u)), target);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void StoreHalf(ushort* target)
    {
        var bits = _value.AsUInt32();
        var magnitude = bits & Vector512.Create(0x7FFFFFFFu);

        // Normal halves: rebase the exponent by 112 and round away 13 bits. Subnormal halves: adding 0.5 lines the bits up with 2^-24, and the addition rounds.
        var normal = (magnitude - Vector512.Create(112u << 23) + Vector512.Create(0xFFFu) + ((magnitude >> 13) & Vector512<uint>.One)) >> 13;
        var subnormal = (magnitude.AsSingle() + Vector512.Create(0.5f)).AsUInt32() - Vector512.Create(0x3F000000u);
        var finite = Vector512.ConditionalSelect(Vector512.LessThan(magnitude, Vector512.Create(113u << 23)), subnormal, normal);
        var clamped = Vector512.ConditionalSelect(Vector512.LessThan(magnitude, Vector512.Create(0x477FF000u)), finite, Vector512.Create(0x7C00u));
        var result = Vector512.ConditionalSelect(Vector512.GreaterThan(magnitude, Vector512.Create(0x7F800000u)), Vector512.Create(0x7E00u), clamped);
        Narrow(result | ((bits >> 16) & Vector512.Create(0x8000u)), target);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes16 operator +(Lanes16 a, Lanes16 b) => new(a._value + b._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes16 operator -(Lanes16 a, Lanes16 b) => new(a._value - b._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes16 operator *(Lanes16 a, Lanes16 b) => new(a._value * b._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes16 operator /(Lanes16 a, Lanes16 b) => new(a._value / b._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes16 operator -(Lanes16 a) => new(-a._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes16 MultiplyAdd(Lanes16 a, Lanes16 b, Lanes16 c) => new(Vector512.FusedMultiplyAdd(a._value, b._value, c._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes16 Min(Lanes16 a, Lanes16 b) => new(Vector512.MinNative(a._value, b._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes16 Max(Lanes16 a, Lanes16 b) => new(Vector512.MaxNative(a._value, b._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes16 Abs(Lanes16 a) => new(Vector512.Abs(a._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes16 Sqrt(Lanes16 a) => new(Vector512.Sqrt(a._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes16 Round(Lanes16 a) => new(Vector512.Round(a._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes16 LessThan(Lanes16 a, Lanes16 b) => new(Vector512.LessThan(a._value, b._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes16 Select(Lanes16 mask, Lanes16 a, Lanes16 b) => new(Vector512.ConditionalSelect(mask._value, a._value, b._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes16 AddToExponent(Lanes16 a, Lanes16 power) => new((a._value.AsInt32() + (Vector512.ConvertToInt32Native(power._value) << 23)).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes16 Exponent(Lanes16 a) => new(Vector512.ConvertToSingle((a._value.AsUInt32() >> 23).AsInt32() - Vector512.Create(126)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes16 Fraction(Lanes16 a) => new(((a._value.AsUInt32() & Vector512.Create(0x007FFFFFu)) | Vector512.Create(0x3F000000u)).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes16 SwapPairs(Lanes16 a) => new(Vector512.Shuffle(a._value, Vector512.Create(1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void AddSquaresTo(double* sums)
    {
        var (lower, upper) = Vector512.Widen(_value);
        Vector512.FusedMultiplyAdd(lower, lower, Vector512.Load(sums)).Store(sums);
        Vector512.FusedMultiplyAdd(upper, upper, Vector512.Load(sums + (16 / 2))).Store(sums + (16 / 2));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public float Sum() => new Lanes8(_value.GetLower() + _value.GetUpper()).Sum();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public float MaxAcross() => new Lanes8(Vector256.MaxNative(_value.GetLower(), _value.GetUpper())).MaxAcross();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> Widen(ushort* source) => Vector512.WidenLower(Vector256.Load(source).ToVector512Unsafe());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Narrow(Vector512<uint> wide, ushort* target) => Vector512.Narrow(wide, wide).GetLower().Store(target);
}
