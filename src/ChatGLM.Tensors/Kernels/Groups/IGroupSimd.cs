namespace ChatGLM.Tensors.Kernels;

/// <summary>
/// The integer arithmetic of one instruction set over 32-bit lanes, each of which holds four (or, at 4 bits, eight) columns of one row of the weight. Products and their sums are exact on all of them, and
/// the few operations on floats are exactly rounded, so every path gives the same bits.
/// </summary>
internal unsafe interface IGroupSimd<TInt, TFloat>
    where TInt : struct
    where TFloat : struct
{
    /// <summary>Lanes of 32 bits, a divisor of 16.</summary>
    static abstract int Lanes { get; }

    /// <summary>Whether a quad of activations x0..x3 is held in 16 bits each, as (x0, x2), (x1, x3), for products with bytes; else it is four bytes.</summary>
    static abstract bool HasWideQuads { get; }

    /// <summary>What <see cref="Split"/> leaves on every byte: 128 where bytes stay unsigned.</summary>
    static abstract int ByteOffset { get; }

    static abstract TInt Load(byte* source);

    static abstract TInt Broadcast(int value);

    /// <summary>Columns 0 to 3 of an octet, as unsigned bytes.</summary>
    static abstract TInt LowNibbles(TInt octets);

    /// <summary>Columns 4 to 7 of an octet.</summary>
    static abstract TInt HighNibbles(TInt octets);

    /// <summary>Begins a partial sum of up to eight <see cref="AddNibbles"/>, which <see cref="Close"/> adds to the total. Where 16-bit lanes hold it: 8 * 2 * 15 * 127 = 30480 fits.</summary>
    static abstract TInt Open(TInt total);

    /// <summary>Adds four columns times a quad of activations (signed bytes, -127..127).</summary>
    static abstract TInt AddNibbles(TInt part, TInt nibbles, byte* quad);

    /// <summary>The same for two rows of activations and two vectors of outputs. Multiplications come before additions: see <see cref="RowTile{TSimd, TVec}"/>.</summary>
    static abstract void AddNibblesInFours(ref TInt part00, ref TInt part01, ref TInt part10, ref TInt part11, TInt nibbles0, TInt nibbles1, byte* quad0, byte* quad1);

    /// <summary>Adds the partial sum to the total.</summary>
    static abstract TInt Close(TInt total, TInt part);

    /// <summary>Prepares four bytes per lane, once for all rows of activations.</summary>
    static abstract void Split(TInt quads, out TInt first, out TInt second);

    /// <summary>Adds four columns times a quad of activations.</summary>
    static abstract TInt AddBytes(TInt total, TInt first, TInt second, byte* quad);

    /// <summary>The same for two vectors of outputs.</summary>
    static abstract void AddBytesInPairs(ref TInt total0, ref TInt total1, TInt first0, TInt second0, TInt first1, TInt second1, byte* quad);

    static abstract TFloat ToFloat(TInt value);

    /// <summary>Widens bfloat16.</summary>
    static abstract TFloat LoadScales(ushort* source);

    static abstract TFloat Broadcast(float value);

    static abstract TFloat Load(float* source);

    static abstract void Store(float* target, TFloat value);

    static abstract TFloat Add(TFloat a, TFloat b);

    static abstract TFloat Multiply(TFloat a, TFloat b);

    /// <summary>a * b + c, rounded once, whatever the processor has.</summary>
    static abstract TFloat MultiplyAdd(TFloat a, TFloat b, TFloat c);
}
