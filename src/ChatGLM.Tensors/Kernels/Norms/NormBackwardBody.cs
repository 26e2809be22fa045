using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>
/// The backward of LayerNorm (<paramref name="centered"/>) and RMSNorm. An item is a group of rows, whose number depends on the shape alone: its sums for weight and bias
/// go to a row of their own in the partial buffers, which are added up in order afterwards.
/// </summary>
internal readonly unsafe struct NormBackwardBody(
    float* dy, float* x, float* weight, float* dx, float* weightPartials, float* biasPartials, long rows, int width, float epsilon, bool centered) : ILaneBody
{
    /// <summary>Rows of one group: at most 32 groups, so that the partial sums stay small beside the activations.</summary>
    public static long RowsPerGroup(long rows) => Math.Max(16, (rows + 31) / 32);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run<T>(long from, long to)
        where T : unmanaged, ILanes<T>
    {
        var rowsPerGroup = RowsPerGroup(rows);
        for (var group = from; group < to; group++)
        {
            var weightSums = weightPartials is null ? null : weightPartials + (group * width);
            var biasSums = biasPartials is null ? null : biasPartials + (group * width);
            if (weightSums is not null)
                new Span<float>(weightSums, width).Clear();
            if (biasSums is not null)
                new Span<float>(biasSums, width).Clear();
            var last = Math.Min(rows, (group + 1) * rowsPerGroup);
            for (var row = group * rowsPerGroup; row < last; row++)
                Row<T>(dy + (row * width), x + (row * width), dx + (row * width), weightSums, biasSums);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Row<T>(float* dyRow, float* xRow, float* dxRow, float* weightSums, float* biasSums)
        where T : unmanaged, ILanes<T>
    {
        var (mean, rstd) = centered ? NormStatistics.Layer<T>(xRow, width, epsilon) : (0, NormStatistics.Rms<T>(xRow, width, epsilon));
        var (sum, sumOfProducts) = (T.Broadcast(0), T.Broadcast(0));
        for (var i = 0; i < width; i += 16)
        {
            var rest = width - i;
            var normed = (Load<T>(xRow + i, rest) - T.Broadcast(mean)) * T.Broadcast(rstd);
            var d = Load<T>(dyRow + i, rest);
            if (weightSums is not null)
                Store(T.MultiplyAdd(d, normed, Load<T>(weightSums + i, rest)), weightSums + i, rest);
            if (biasSums is not null)
                Store(d + Load<T>(biasSums + i, rest), biasSums + i, rest);

            // Past the end of the row d is 0, so nothing is added there.
            d *= Load<T>(weight + i, rest);
            sum += d;
            sumOfProducts = T.MultiplyAdd(d, normed, sumOfProducts);
        }

        var meanOfGradients = T.Broadcast(centered ? sum.Sum() / width : 0);
        var meanOfProducts = T.Broadcast(sumOfProducts.Sum() / width);
        for (var i = 0; i < width; i += 16)
        {
            var rest = width - i;
            var normed = (Load<T>(xRow + i, rest) - T.Broadcast(mean)) * T.Broadcast(rstd);
            var d = (Load<T>(dyRow + i, rest) * Load<T>(weight + i, rest)) - meanOfGradients;
            Store(T.Broadcast(rstd) * T.MultiplyAdd(-normed, meanOfProducts, d), dxRow + i, rest);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static T Load<T>(float* source, int rest)
        where T : unmanaged, ILanes<T> => rest >= 16 ? T.Load(source) : LaneTail.Load<T>(source, rest);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store<T>(T value, float* target, int rest)
        where T : unmanaged, ILanes<T>
    {
        if (rest >= 16)
            value.Store(target);
        else
            LaneTail.Store(value, target, rest);
    }
}
