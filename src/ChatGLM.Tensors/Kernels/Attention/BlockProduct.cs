using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>
/// The small matrix products inside attention: C (+)= A B with B and C in rows of contiguous lanes and A read one number at a time, by any strides, so that A may be
/// transposed for free. Each element of C is one running sum in the order of k, however the tiles are cut.
/// </summary>
internal static unsafe class BlockProduct
{
    // 128 rows of 32 columns of B are 16 KiB: they stay in the first-level cache while all rows of A pass.
    private const int StepsPerPass = 128;

    /// <summary>c[i, j] (+)= sum over s of a[i * aRow + s * aStep] * b[s * bStep + j].</summary>
    public static void Multiply<T>(float* a, long aRow, long aStep, float* b, long bStep, float* c, long cRow, int rows, int columns, int steps, bool accumulate)
        where T : unmanaged, ILanes<T>
    {
        var step = 0;
        do
        {
            var count = Math.Min(StepsPerPass, steps - step);
            Pass<T>(a + (step * aStep), aRow, aStep, b + (step * bStep), bStep, c, cRow, rows, columns, count, accumulate || step > 0);
            step += StepsPerPass;
        }
        while (step < steps);
    }

    private static void Pass<T>(float* a, long aRow, long aStep, float* b, long bStep, float* c, long cRow, int rows, int columns, int steps, bool accumulate)
        where T : unmanaged, ILanes<T>
    {
        var column = 0;

        // Eight sums of 512 bits, or four of 16 lanes each where vectors are narrower, fit the registers.
        if (typeof(T) == typeof(Lanes16))
        {
            for (; column <= columns - 32; column += 32)
            {
                var row = 0;
                for (; row <= rows - 4; row += 4)
                    Tile4x2<T>(a + (row * aRow), aRow, aStep, b + column, bStep, c + (row * cRow) + column, cRow, steps, accumulate);
                for (; row < rows; row++)
                {
                    Tile1<T>(a + (row * aRow), aStep, b + column, bStep, c + (row * cRow) + column, steps, accumulate);
                    Tile1<T>(a + (row * aRow), aStep, b + column + 16, bStep, c + (row * cRow) + column + 16, steps, accumulate);
                }
            }
        }

        for (; column <= columns - 16; column += 16)
        {
            var row = 0;
            for (; row <= rows - 4; row += 4)
                Tile4<T>(a + (row * aRow), aRow, aStep, b + column, bStep, c + (row * cRow) + column, cRow, steps, accumulate);
            for (; row < rows; row++)
                Tile1<T>(a + (row * aRow), aStep, b + column, bStep, c + (row * cRow) + column, steps, accumulate);
        }

        if (column < columns)
        {
            for (var row = 0; row < rows; row++)
                TileTail<T>(a + (row * aRow), aStep, b + column, bStep, c + (row * cRow) + column, steps, accumulate, columns - column);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile4x2<T>(float* a, long aRow, long aStep, float* b, long bStep, float* c, long cRow, int steps, bool accumulate)
        where T : unmanaged, ILanes<T>
    {
        float* c1 = c + cRow, c2 = c1 + cRow, c3 = c2 + cRow;
        var zero = T.Broadcast(0);
        T s00 = zero, s01 = zero, s10 = zero, s11 = zero, s20 = zero, s21 = zero, s30 = zero, s31 = zero;
        if (accumulate)
        {
            (s00, s01, s10, s11) = (T.Load(c), T.Load(c + 16), T.Load(c1), T.Load(c1 + 16));
            (s20, s21, s30, s31) = (T.Load(c2), T.Load(c2 + 16), T.Load(c3), T.Load(c3 + 16));
        }

        for (var step = 0; step < steps; step++)
        {
            T b0 = T.Load(b), b1 = T.Load(b + 16);
            var a0 = T.Broadcast(a[0]);
            s00 = T.MultiplyAdd(a0, b0, s00);
            s01 = T.MultiplyAdd(a0, b1, s01);
            var a1 = T.Broadcast(a[aRow]);
            s10 = T.MultiplyAdd(a1, b0, s10);
            s11 = T.MultiplyAdd(a1, b1, s11);
            var a2 = T.Broadcast(a[2 * aRow]);
            s20 = T.MultiplyAdd(a2, b0, s20);
            s21 = T.MultiplyAdd(a2, b1, s21);
            var a3 = T.Broadcast(a[3 * aRow]);
            s30 = T.MultiplyAdd(a3, b0, s30);
            s31 = T.MultiplyAdd(a3, b1, s31);
            a += aStep;
            b += bStep;
        }

        s00.Store(c);
        s01.Store(c + 16);
        s10.Store(c1);
        s11.Store(c1 + 16);
        s20.Store(c2);
        s21.Store(c2 + 16);
        s30.Store(c3);
        s31.Store(c3 + 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile4<T>(float* a, long aRow, long aStep, float* b, long bStep, float* c, long cRow, int steps, bool accumulate)
        where T : unmanaged, ILanes<T>
    {
        var zero = T.Broadcast(0);
        T s0 = zero, s1 = zero, s2 = zero, s3 = zero;
        if (accumulate)
            (s0, s1, s2, s3) = (T.Load(c), T.Load(c + cRow), T.Load(c + (2 * cRow)), T.Load(c + (3 * cRow)));
        for (var step = 0; step < steps; step++)
        {
            var b0 = T.Load(b);
            s0 = T.MultiplyAdd(T.Broadcast(a[0]), b0, s0);
            s1 = T.MultiplyAdd(T.Broadcast(a[aRow]), b0, s1);
            s2 = T.MultiplyAdd(T.Broadcast(a[2 * aRow]), b0, s2);
            s3 = T.MultiplyAdd(T.Broadcast(a[3 * aRow]), b0, s3);
            a += aStep;
            b += bStep;
        }

        s0.Store(c);
        s1.Store(c + cRow);
        s2.Store(c + (2 * cRow));
        s3.Store(c + (3 * cRow));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile1<T>(float* a, long aStep, float* b, long bStep, float* c, int steps, bool accumulate)
        where T : unmanaged, ILanes<T>
    {
        var sum = accumulate ? T.Load(c) : T.Broadcast(0);
        for (var step = 0; step < steps; step++)
        {
            sum = T.MultiplyAdd(T.Broadcast(*a), T.Load(b), sum);
            a += aStep;
            b += bStep;
        }

        sum.Store(c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void TileTail<T>(float* a, long aStep, float* b, long bStep, float* c, int steps, bool accumulate, int columns)
        where T : unmanaged, ILanes<T>
    {
        var sum = accumulate ? LaneTail.Load<T>(c, columns) : T.Broadcast(0);
        for (var step = 0; step < steps; step++)
        {
            sum = T.MultiplyAdd(T.Broadcast(*a), LaneTail.Load<T>(b, columns), sum);
            a += aStep;
            b += bStep;
        }

        LaneTail.Store(sum, c, columns);
    }
}
