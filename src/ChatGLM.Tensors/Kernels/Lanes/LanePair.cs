using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>Twice the lanes of a narrower vector: the lower half, then the upper.</summary>
internal readonly unsafe struct LanePair<T>(T lower, T upper) : ILanes<LanePair<T>>
    where T : unmanaged, ILanes<T>
{
    private readonly T _lower = lower;
    private readonly T _upper = upper;

    public static int Count => 2 * T.Count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static LanePair<T> Broadcast(float value) => new(T.Broadcast(value), T.Broadcast(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static LanePair<T> Load(float* source) => new(T.Load(source), T.Load(source + T.Count));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static LanePair<T> LoadBFloat16(ushort* source) => new(T.LoadBFloat16(source), T.LoadBFloat16(source + T.Count));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static LanePair<T> LoadHalf(ushort* source) => new(T.LoadHalf(source), T.LoadHalf(source + T.Count));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static LanePair<T> LoadSByte(sbyte* source) => new(T.LoadSByte(source), T.LoadSByte(source + T.Count));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static LanePair<T> LoadNonZero(byte* source) => new(T.LoadNonZero(source), T.LoadNonZero(source + T.Count));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(float* target)
    {
        _lower.Store(target);
        _upper.Store(target + T.Count);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void StoreBFloat16(ushort* target)
    {
        _lower.StoreBFloat16(target);
        _upper.StoreBFloat16(target + T.Count);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void StoreHalf(ushort* target)
    {
        _lower.StoreHalf(target);
        _upper.StoreHalf(target + T.Count);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void AddSquaresTo(double* sums)
    {
        _lower.AddSquaresTo(sums);
        _upper.AddSquaresTo(sums + T.Count);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static LanePair<T> operator +(LanePair<T> a, LanePair<T> b) => new(a._lower + b._lower, a._upper + b._upper);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static LanePair<T> operator -(LanePair<T> a, LanePair<T> b) => new(a._lower - b._lower, a._upper - b._upper);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static LanePair<T> operator *(LanePair<T> a, LanePair<T> b) => new(a._lower * b._lower, a._upper * b._upper);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static LanePair<T> operator /(LanePair<T> a, LanePair<T> b) => new(a._lower / b._lower, a._upper / b._upper);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static LanePair<T> operator -(LanePair<T> a) => new(-a._lower, -a._upper);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static LanePair<T> MultiplyAdd(LanePair<T> a, LanePair<T> b, LanePair<T> c) => new(T.MultiplyAdd(a._lower, b._lower, c._lower), T.MultiplyAdd(a._upper, b._upper, c._upper));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static LanePair<T> Min(LanePair<T> a, LanePair<T> b) => new(T.Min(a._lower, b._lower), T.Min(a._upper, b._upper));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static LanePair<T> Max(LanePair<T> a, LanePair<T> b) => new(T.Max(a._lower, b._lower), T.Max(a._upper, b._upper));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static LanePair<T> Abs(LanePair<T> a) => new(T.Abs(a._lower), T.Abs(a._upper));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static LanePair<T> Sqrt(LanePair<T> a) => new(T.Sqrt(a._lower), T.Sqrt(a._upper));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static LanePair<T> Round(LanePair<T> a) => new(T.Round(a._lower), T.Round(a._upper));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static LanePair<T> LessThan(LanePair<T> a, LanePair<T> b) => new(T.LessThan(a._lower, b._lower), T.LessThan(a._upper, b._upper));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static LanePair<T> Select(LanePair<T> mask, LanePair<T> a, LanePair<T> b) => new(T.Select(mask._lower, a._lower, b._lower), T.Select(mask._upper, a._upper, b._upper));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static LanePair<T> AddToExponent(LanePair<T> a, LanePair<T> power) => new(T.AddToExponent(a._lower, power._lower), T.AddToExponent(a._upper, power._upper));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static LanePair<T> Exponent(LanePair<T> a) => new(T.Exponent(a._lower), T.Exponent(a._upper));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static LanePair<T> Fraction(LanePair<T> a) => new(T.Fraction(a._lower), T.Fraction(a._upper));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static LanePair<T> SwapPairs(LanePair<T> a) => new(T.SwapPairs(a._lower), T.SwapPairs(a._upper));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public float Sum() => (_lower + _upper).Sum();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public float MaxAcross() => T.Max(_lower, _upper).MaxAcross();
}
