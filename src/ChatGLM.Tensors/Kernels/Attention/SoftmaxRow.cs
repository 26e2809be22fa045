using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>The softmax of one row of scores, unnormalised: e^(score - max) in place, with their sum.</summary>
internal static unsafe class SoftmaxRow
{
    /// <summary>Exponentiates a row whose length is a multiple of 16.</summary>
    /// <returns>The largest score (minus infinity if all are), and the sum (0 then; NaN if a score is).</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static (float Max, float Sum) Exponentiate<T>(float* row, int padded)
        where T : unmanaged, ILanes<T>
    {
        var max = RowSums.Max<T>(row, padded);
        var shift = T.Broadcast(float.IsNegativeInfinity(max) ? 0 : max);
        var (s0, s1) = (T.Broadcast(0), T.Broadcast(0));
        var j = 0;
        for (; j <= padded - 32; j += 32)
        {
            var e0 = LaneMath.Exp(T.Load(row + j) - shift);
            var e1 = LaneMath.Exp(T.Load(row + j + 16) - shift);
            e0.Store(row + j);
            e1.Store(row + j + 16);
            s0 += e0;
            s1 += e1;
        }

        if (j < padded)
        {
            var e = LaneMath.Exp(T.Load(row + j) - shift);
            e.Store(row + j);
            s0 += e;
        }

        return (max, (s0 + s1).Sum());
    }

    /// <summary>Multiplies a row whose length is a multiple of 16.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Scale<T>(float* row, int padded, float factor)
        where T : unmanaged, ILanes<T>
    {
        for (var j = 0; j < padded; j += 16)
            (T.Load(row + j) * T.Broadcast(factor)).Store(row + j);
    }

    /// <summary>1 / sum, and 0 for a row that sees no key.</summary>
    public static float Inverse(float sum) => sum == 0 ? 0 : 1 / sum;

    /// <summary>One past the last entry that is not 0.</summary>
    public static int End(float* row, int count) => new ReadOnlySpan<float>(row, count).LastIndexOfAnyExcept(0f) + 1;
}
