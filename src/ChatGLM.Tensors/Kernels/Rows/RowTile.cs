using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors.Kernels;

/// <summary>
/// The innermost loops of <see cref="RowGemm{TSimd, TVec, TFormat}"/>: a tile of exact integer sums in registers, to which a pair of columns of x times the same pair of the weight is added per step. At the end of the
/// segment they are scaled and go onto the chain that the result holds.
/// <para>Multiplications come in fours, and their additions after them: on AMD's Zen 4 a multiplication that is followed by its own addition keeps the units of both waiting, and all takes a fifth longer.</para>
/// </summary>
internal unsafe struct RowTile<TSimd, TVec>
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    /// <summary>Pairs of columns.</summary>
    public int Pairs;

    /// <summary>For every pair of columns, the tile's rows of x.</summary>
    public uint* X;

    /// <summary>From one pair to the next.</summary>
    public nint XStride;

    /// <summary>For every pair, two vectors of outputs.</summary>
    public float* Right;

    /// <summary>What a row's sum counts times.</summary>
    public float* XScales;

    /// <summary>What the whole chain of an output counts times.</summary>
    public float* WeightScales;

    /// <summary>What is added in the end, or null.</summary>
    public float* Bias;

    /// <summary>The chains so far.</summary>
    public float* Result;

    /// <summary>Floats from one row of the result to the next.</summary>
    public nint ResultStride;

    /// <summary>Rows that are stored.</summary>
    public int Rows;

    /// <summary>Whether the chains begin here.</summary>
    public bool IsFirst;

    /// <summary>Whether they end here.</summary>
    public bool IsLast;

    /// <summary>Twelve rows by two vectors.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public readonly void RunTwelve()
    {
        var x = X;
        var right = Right;
        var stride = XStride;
        TVec r0a = TSimd.Zero, r0b = TSimd.Zero;
        TVec r1a = TSimd.Zero, r1b = TSimd.Zero;
        TVec r2a = TSimd.Zero, r2b = TSimd.Zero;
        TVec r3a = TSimd.Zero, r3b = TSimd.Zero;
        TVec r4a = TSimd.Zero, r4b = TSimd.Zero;
        TVec r5a = TSimd.Zero, r5b = TSimd.Zero;
        TVec r6a = TSimd.Zero, r6b = TSimd.Zero;
        TVec r7a = TSimd.Zero, r7b = TSimd.Zero;
        TVec r8a = TSimd.Zero, r8b = TSimd.Zero;
        TVec r9a = TSimd.Zero, r9b = TSimd.Zero;
        TVec r10a = TSimd.Zero, r10b = TSimd.Zero;
        TVec r11a = TSimd.Zero, r11b = TSimd.Zero;
        for (var pair = Pairs; pair > 0; pair--)
        {
            TVec a = TSimd.Load(right), b = TSimd.Load(right + TSimd.Count);
            TwoRows(x + 0, a, b, ref r0a, ref r0b, ref r1a, ref r1b);
            TwoRows(x + 2, a, b, ref r2a, ref r2b, ref r3a, ref r3b);
            TwoRows(x + 4, a, b, ref r4a, ref r4b, ref r5a, ref r5b);
            TwoRows(x + 6, a, b, ref r6a, ref r6b, ref r7a, ref r7b);
            TwoRows(x + 8, a, b, ref r8a, ref r8b, ref r9a, ref r9b);
            TwoRows(x + 10, a, b, ref r10a, ref r10b, ref r11a, ref r11b);
            x += stride;
            right += 2 * TSimd.Count;
        }

        Store(0, r0a, r0b);
        Store(1, r1a, r1b);
        Store(2, r2a, r2b);
        Store(3, r3a, r3b);
        Store(4, r4a, r4b);
        Store(5, r5a, r5b);
        Store(6, r6a, r6b);
        Store(7, r7a, r7b);
        Store(8, r8a, r8b);
        Store(9, r9a, r9b);
        Store(10, r10a, r10b);
        Store(11, r11a, r11b);
    }

    /// <summary>Four rows by two vectors.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public readonly void RunFour()
    {
        var x = X;
        var right = Right;
        var stride = XStride;
        TVec r0a = TSimd.Zero, r0b = TSimd.Zero;
        TVec r1a = TSimd.Zero, r1b = TSimd.Zero;
        TVec r2a = TSimd.Zero, r2b = TSimd.Zero;
        TVec r3a = TSimd.Zero, r3b = TSimd.Zero;
        for (var pair = Pairs; pair > 0; pair--)
        {
            TVec a = TSimd.Load(right), b = TSimd.Load(right + TSimd.Count);
            TwoRows(x + 0, a, b, ref r0a, ref r0b, ref r1a, ref r1b);
            TwoRows(x + 2, a, b, ref r2a, ref r2b, ref r3a, ref r3b);
            x += stride;
            right += 2 * TSimd.Count;
        }

        Store(0, r0a, r0b);
        Store(1, r1a, r1b);
        Store(2, r2a, r2b);
        Store(3, r3a, r3b);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void TwoRows(uint* x, TVec a, TVec b, ref TVec sum0a, ref TVec sum0b, ref TVec sum1a, ref TVec sum1b)
    {
        TVec x0 = TSimd.BroadcastBits(x[0]), x1 = TSimd.BroadcastBits(x[1]);
        TVec product0a = TSimd.MultiplyPairs(a, x0), product0b = TSimd.MultiplyPairs(b, x0);
        TVec product1a = TSimd.MultiplyPairs(a, x1), product1b = TSimd.MultiplyPairs(b, x1);
        sum0a = TSimd.AddIntegers(sum0a, product0a);
        sum0b = TSimd.AddIntegers(sum0b, product0b);
        sum1a = TSimd.AddIntegers(sum1a, product1a);
        sum1b = TSimd.AddIntegers(sum1b, product1b);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly void Store(int row, TVec a, TVec b)
    {
        if (row >= Rows)
            return;
        var to = Result + (row * ResultStride);
        var scale = TSimd.Broadcast(XScales[row]);
        a = TSimd.FusedMultiplyAdd(TSimd.ToFloat(a), scale, IsFirst ? TSimd.Zero : TSimd.Load(to));
        b = TSimd.FusedMultiplyAdd(TSimd.ToFloat(b), scale, IsFirst ? TSimd.Zero : TSimd.Load(to + TSimd.Count));
        if (IsLast)
        {
            a = TSimd.Multiply(a, TSimd.Load(WeightScales));
            b = TSimd.Multiply(b, TSimd.Load(WeightScales + TSimd.Count));
            if (Bias != null)
            {
                a = TSimd.Add(a, TSimd.Load(Bias));
                b = TSimd.Add(b, TSimd.Load(Bias + TSimd.Count));
            }
        }

        TSimd.Store(to, a);
        TSimd.Store(to + TSimd.Count, b);
    }
}
