using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>Sums along a row: four times sixteen running sums, added up in a fixed tree, so that neither the vector width nor the thread count changes a bit.</summary>
internal static unsafe class RowSums
{
    /// <summary>The largest number; minus infinity for an empty row. NaNs are passed over.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Max<T>(float* x, long count)
        where T : unmanaged, ILanes<T>
    {
        var m0 = T.Broadcast(float.NegativeInfinity);
        var m1 = m0;
        long i = 0;
        for (; i <= count - 32; i += 32)
        {
            m0 = T.Max(T.Load(x + i), m0);
            m1 = T.Max(T.Load(x + i + 16), m1);
        }

        for (; i <= count - 16; i += 16)
            m0 = T.Max(T.Load(x + i), m0);
        if (i < count)
            m1 = T.Max(LaneTail.Load<T>(x + i, (int)(count - i), float.NegativeInfinity), m1);
        return T.Max(m0, m1).MaxAcross();
    }

    /// <summary>The sum of term(x[i]) over a row, for terms that are 0 at x = the fill value.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum<T, TTerm>(float* x, long count, TTerm term, float fill = 0)
        where T : unmanaged, ILanes<T>
        where TTerm : struct, IUnaryOperator
    {
        var s0 = T.Broadcast(0);
        T s1 = s0, s2 = s0, s3 = s0;
        long i = 0;
        for (; i <= count - 64; i += 64)
        {
            s0 += term.Invoke(T.Load(x + i));
            s1 += term.Invoke(T.Load(x + i + 16));
            s2 += term.Invoke(T.Load(x + i + 32));
            s3 += term.Invoke(T.Load(x + i + 48));
        }

        for (; i <= count - 16; i += 16)
            s0 += term.Invoke(T.Load(x + i));
        if (i < count)
            s1 += term.Invoke(LaneTail.Load<T>(x + i, (int)(count - i), fill));
        return ((s0 + s1) + (s2 + s3)).Sum();
    }

    /// <summary>The sum of a row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum<T>(float* x, long count)
        where T : unmanaged, ILanes<T> => Sum<T, ValueTerm>(x, count, default);

    /// <summary>x.</summary>
    public readonly struct ValueTerm : IUnaryOperator
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public T Invoke<T>(T x)
            where T : unmanaged, ILanes<T> => x;
    }

    /// <summary>(x - mean)².</summary>
    public readonly struct SquaredDeviationTerm(float mean) : IUnaryOperator
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public T Invoke<T>(T x)
            where T : unmanaged, ILanes<T>
        {
            var deviation = x - T.Broadcast(mean);
            return deviation * deviation;
        }
    }

    /// <summary>e^(x - shift); 0 at minus infinity.</summary>
    public readonly struct ExpTerm(float shift) : IUnaryOperator
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public T Invoke<T>(T x)
            where T : unmanaged, ILanes<T> => LaneMath.Exp(x - T.Broadcast(shift));
    }
}
