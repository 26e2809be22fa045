using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace ChatGLM.Tensors;

/// <summary>4 lanes in one 128-bit vector.</summary>
internal readonly unsafe struct Lanes4(Vector128<float> value) : ILanes<Lanes4>
{
    private readonly Vector128<float> _value = value;

    public static int Count => 4;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes4 Broadcast(float value) => new(Vector128.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes4 Load(float* source) => new(Vector128.Load(source));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes4 LoadBFloat16(ushort* source) => new((Widen(source) << 16).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes4 LoadHalf(ushort* source)
    {
        var half = Widen(source);
        var magnitude = (half & Vector128.Create(0x7FFFu)) << 13;

        // With the exponent read as float32's, the number is 2^112 too small; the product is exact, for subnormals too. Infinity and NaN keep their exponent of all ones.
        var scaled = (magnitude.AsSingle() * Vector128.Create(5.192296858534828e33f)).AsUInt32();
        var special = Vector128.GreaterThan(magnitude, Vector128.Create(0x0F7FFFFFu)) & Vector128.Create(0x7F800000u);
        return new(((half & Vector128.Create(0x8000u)) << 16 | scaled | special).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes4 LoadSByte(sbyte* source) => new(Vector128.ConvertToSingle(Vector128.WidenLower(Vector128.WidenLower(Vector128.CreateScalarUnsafe(*(int*)source).AsSByte()))));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes4 LoadNonZero(byte* source) => new((~Vector128.Equals(Vector128.WidenLower(Vector128.WidenLower(Vector128.CreateScalarUnsafe(*(uint*)source).AsByte())), Vector128<uint>.Zero)).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(float* target) => _value.Store(target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void StoreBFloat16(ushort* target)
    {
        var bits = _value.AsUInt32();
        var rounded = (bits + Vector128.Create(0x7FFFu) + ((bits >> 16) & Vector128<uint>.One)) >> 16;
        Narrow(Vector128.ConditionalSelect(Vector128.Equals(_value, _value).AsUInt32(), rounded, Vector128.Create(0x7FC0u)), target);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void StoreHalf(ushort* target)
    {
        var bits = _value.AsUInt32();
        var magnitude = bits & Vector128.Create(0x7FFFFFFFu);

        // Normal halves: rebase the exponent by 112 and round away 13 bits. Subnormal halves: adding 0.5 lines the bits up with 2^-24, and the addition rounds.
        var normal = (magnitude - Vector128.Create(112u << 23) + Vector128.Create(0xFFFu) + ((magnitude >> 13) & Vector128<uint>.One)) >> 13;
        var subnormal = (magnitude.AsSingle() + Vector128.Create(0.5f)).AsUInt32() - Vector128.Create(0x3F000000u);
        var finite = Vector128.ConditionalSelect(Vector128.LessThan(magnitude, Vector128.Create(113u << 23)), subnormal, normal);
        var clamped = Vector128.ConditionalSelect(Vector128.LessThan(magnitude, Vector128.Create(0x477FF000u)), finite, Vector128.Create(0x7C00u));
        var result = Vector128.ConditionalSelect(Vector128.GreaterThan(magnitude, Vector128.Create(0x7F800000u)), Vector128.Create(0x7E00u), clamped);
        Narrow(result | ((bits >> 16) & Vector128.Create(0x8000u)), target);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes4 operator +(Lanes4 a, Lanes4 b) => new(a._value + b._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes4 operator -(Lanes4 a, Lanes4 b) => new(a._value - b._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes4 operator *(Lanes4 a, Lanes4 b) => new(a._value * b._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes4 operator /(Lanes4 a, Lanes4 b) => new(a._value / b._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes4 operator -(Lanes4 a) => new(-a._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes4 MultiplyAdd(Lanes4 a, Lanes4 b, Lanes4 c) => HasFusedMultiplyAdd
        ? new(Vector128.FusedMultiplyAdd(a._value, b._value, c._value))
        : new((a._value * b._value) + c._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes4 Min(Lanes4 a, Lanes4 b) => new(Vector128.MinNative(a._value, b._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes4 Max(Lanes4 a, Lanes4 b) => new(Vector128.MaxNative(a._value, b._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes4 Abs(Lanes4 a) => new(Vector128.Abs(a._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes4 Sqrt(Lanes4 a) => new(Vector128.Sqrt(a._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes4 Round(Lanes4 a) => new(Vector128.Round(a._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes4 LessThan(Lanes4 a, Lanes4 b) => new(Vector128.LessThan(a._value, b._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes4 Select(Lanes4 mask, Lanes4 a, Lanes4 b) => new(Vector128.ConditionalSelect(mask._value, a._value, b._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes4 AddToExponent(Lanes4 a, Lanes4 power) => new((a._value.AsInt32() + (Vector128.ConvertToInt32Native(power._value) << 23)).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes4 Exponent(Lanes4 a) => new(Vector128.ConvertToSingle((a._value.AsUInt32() >> 23).AsInt32() - Vector128.Create(126)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes4 Fraction(Lanes4 a) => new(((a._value.AsUInt32() & Vector128.Create(0x007FFFFFu)) | Vector128.Create(0x3F000000u)).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes4 SwapPairs(Lanes4 a) => new(Vector128.Shuffle(a._value, Vector128.Create(1, 0, 3, 2)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void AddSquaresTo(double* sums)
    {
        var (lower, upper) = Vector128.Widen(_value);
        Vector128.FusedMultiplyAdd(lower, lower, Vector128.Load(sums)).Store(sums);
        Vector128.FusedMultiplyAdd(upper, upper, Vector128.Load(sums + (4 / 2))).Store(sums + (4 / 2));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public float Sum() => Halve(_value + Vector128.Shuffle(_value, Vector128.Create(2, 3, 0, 1)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public float MaxAcross() => HalveMax(Vector128.MaxNative(_value, Vector128.Shuffle(_value, Vector128.Create(2, 3, 0, 1))));

    // In software, a fused multiply-add takes a hundred times as long as its two halves.
    private static bool HasFusedMultiplyAdd
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Fma.IsSupported || AdvSimd.IsSupported;
    }

    private static float Halve(Vector128<float> pair) => pair.ToScalar() + pair.GetElement(1);

    private static float HalveMax(Vector128<float> pair) => pair.ToScalar() > pair.GetElement(1) ? pair.ToScalar() : pair.GetElement(1);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<uint> Widen(ushort* source) => Vector128.WidenLower(Vector64.Load(source).ToVector128Unsafe());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Narrow(Vector128<uint> wide, ushort* target) => Vector128.Narrow(wide, wide).GetLower().Store(target);
}
