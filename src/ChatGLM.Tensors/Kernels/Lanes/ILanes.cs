namespace ChatGLM.Tensors;

/// <summary>
/// Float32 numbers side by side. Kernels are written once over 16 lanes and run on any processor: the 16 are one 512-bit vector, two of 256, four of 128, or plain
/// floats. Because sums always run through the same 16 lanes and then the same tree, and every operation below is exactly rounded, the bits agree on all of
/// them (without fused multiply-add in hardware, at 128 bits, to rounding).
/// </summary>
internal unsafe interface ILanes<TSelf>
    where TSelf : unmanaged, ILanes<TSelf>
{
    /// <summary>How many lanes there are.</summary>
    static abstract int Count { get; }

    static abstract TSelf Broadcast(float value);

    static abstract TSelf Load(float* source);

    /// <summary>Widens bfloat16.</summary>
    static abstract TSelf LoadBFloat16(ushort* source);

    /// <summary>Widens float16, exactly, subnormals included.</summary>
    static abstract TSelf LoadHalf(ushort* source);

    /// <summary>Widens 8-bit integers.</summary>
    static abstract TSelf LoadSByte(sbyte* source);

    /// <summary>A mask: set where the byte is not 0.</summary>
    static abstract TSelf LoadNonZero(byte* source);

    void Store(float* target);

    /// <summary>Rounds to nearest, ties to even; a NaN stays one.</summary>
    void StoreBFloat16(ushort* target);

    /// <summary>Rounds to nearest, ties to even; past 65504 to infinity.</summary>
    void StoreHalf(ushort* target);

    static abstract TSelf operator +(TSelf a, TSelf b);

    static abstract TSelf operator -(TSelf a, TSelf b);

    static abstract TSelf operator *(TSelf a, TSelf b);

    static abstract TSelf operator /(TSelf a, TSelf b);

    static abstract TSelf operator -(TSelf a);

    /// <summary>a * b + c, rounded once.</summary>
    static abstract TSelf MultiplyAdd(TSelf a, TSelf b, TSelf c);

    /// <summary>The smaller; b where either is NaN on x86.</summary>
    static abstract TSelf Min(TSelf a, TSelf b);

    /// <summary>The larger; b where either is NaN on x86.</summary>
    static abstract TSelf Max(TSelf a, TSelf b);

    static abstract TSelf Abs(TSelf a);

    static abstract TSelf Sqrt(TSelf a);

    /// <summary>To the nearest whole number, ties to even.</summary>
    static abstract TSelf Round(TSelf a);

    /// <summary>A mask: set where a &lt; b; not where either is NaN.</summary>
    static abstract TSelf LessThan(TSelf a, TSelf b);

    /// <summary>a where the mask is set, else b.</summary>
    static abstract TSelf Select(TSelf mask, TSelf a, TSelf b);

    /// <summary>a * 2^power by adding to the exponent; the caller sees to it that the result is normal. power holds whole numbers.</summary>
    static abstract TSelf AddToExponent(TSelf a, TSelf power);

    /// <summary>The exponent e of a normal positive number a = m * 2^e with m in [0.5, 1).</summary>
    static abstract TSelf Exponent(TSelf a);

    /// <summary>The fraction m of a normal positive number a = m * 2^e with m in [0.5, 1).</summary>
    static abstract TSelf Fraction(TSelf a);

    /// <summary>Lanes 2i and 2i + 1 exchanged.</summary>
    static abstract TSelf SwapPairs(TSelf a);

    /// <summary>Adds the squares, in double, to as many running sums as there are lanes.</summary>
    void AddSquaresTo(double* sums);

    /// <summary>The sum of all lanes: the upper half is added to the lower until one is left.</summary>
    float Sum();

    /// <summary>The largest lane, in the same order.</summary>
    float MaxAcross();
}
