using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>What the norms need to know of a row.</summary>
internal static unsafe class NormStatistics
{
    /// <summary>The mean, and 1 / sqrt(variance + epsilon).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (float Mean, float Rstd) Layer<T>(float* row, int width, float epsilon)
        where T : unmanaged, ILanes<T>
    {
        var mean = RowSums.Sum<T>(row, width) / width;

        // The fill is the mean, so that lanes past the end of the row deviate by 0.
        var squares = RowSums.Sum<T, RowSums.SquaredDeviationTerm>(row, width, new RowSums.SquaredDeviationTerm(mean), mean);
        return (mean, 1 / MathF.Sqrt((squares / width) + epsilon));
    }

    /// <summary>1 / sqrt(mean square + epsilon).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Rms<T>(float* row, int width, float epsilon)
        where T : unmanaged, ILanes<T> =>
        1 / MathF.Sqrt((RowSums.Sum<T, RowSums.SquaredDeviationTerm>(row, width, new RowSums.SquaredDeviationTerm(0)) / width) + epsilon);
}
