using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>
/// Attention for many queries. An item is a block of queries of one head: its scores against all keys are computed from the packed panels into scratch memory, turned into
/// probabilities there, and multiplied with the values. The scores of a whole head never exist.
/// </summary>
internal readonly unsafe struct AttentionBody(
    WorkerPool pool, float* query, float* keyPanels, float* value, float* y, float* logSumExp, AttentionSizes sizes, AttentionMask mask, float scale) : ILaneBody
{
    public void Run<T>(long from, long to)
        where T : unmanaged, ILanes<T>
    {
        using var scratch = pool.RentScratch((long)sizes.BlockRows * sizes.Stride * sizeof(float));
        for (var item = from; item < to; item++)
        {
            var (head, block) = Math.DivRem(item, sizes.Blocks);
            Block<T>((float*)scratch.Pointer, head, (int)block * sizes.BlockRows);
        }
    }

    /// <summary>Computes unnormalised probabilities of a block of queries. With a hidden score of minus infinity, only the keys that some query of the block sees are touched.</summary>
    /// <returns>How many keys were touched.</returns>
    public static int Scores<T>(float* scores, float* queries, float* panels, in AttentionSizes sizes, in AttentionMask mask, int first, int rows)
        where T : unmanaged, ILanes<T>
    {
        var keys = mask.HiddenIsZero ? mask.VisibleEnd(first + rows - 1) : sizes.Keys;
        Against<T>(scores, queries, sizes.HeadDim, panels, sizes, rows, mask.VisibleEnd(first + rows - 1));
        return keys;
    }

    /// <summary>The products of a block of rows with all vectors in the panels, up to the panel that holds vector <paramref name="keys"/> - 1.</summary>
    public static void Against<T>(float* products, float* rows, long rowStride, float* panels, in AttentionSizes sizes, int rowCount, int keys)
        where T : unmanaged, ILanes<T>
    {
        for (var panel = 0; panel < PackPanelsBody.PanelsOf(keys); panel++)
        {
            BlockProduct.Multiply<T>(
                rows, rowStride, 1, panels + ((long)panel * sizes.HeadDim * PackPanelsBody.Keys), PackPanelsBody.Keys,
                products + (panel * PackPanelsBody.Keys), sizes.Stride, rowCount, PackPanelsBody.Keys, sizes.HeadDim, accumulate: false);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Block<T>(float* scores, long head, int first)
        where T : unmanaged, ILanes<T>
    {
        var (batch, h) = Math.DivRem(head, sizes.Heads);
        var rows = Math.Min(sizes.BlockRows, sizes.Seq - first);
        var keyHead = sizes.KeyHead(head);
        var queries = query + (((head * sizes.Seq) + first) * sizes.HeadDim);
        var panels = keyPanels + (keyHead * sizes.Stride * sizes.HeadDim);
        var keys = Scores<T>(scores, queries, panels, sizes, mask, first, rows);
        var padded = (keys + 15) & -16;
        var inverse = stackalloc float[32];
        var end = 0;
        for (var r = 0; r < rows; r++)
        {
            var row = scores + ((long)r * sizes.Stride);
            mask.Score<T>(row, batch, first + r, 0, keys, padded, scale);
            var (max, sum) = SoftmaxRow.Exponentiate<T>(row, padded);
            inverse[r] = SoftmaxRow.Inverse(sum);
            if (logSumExp is not null)
                logSumExp[(head * sizes.Seq) + first + r] = max + MathF.Log(sum);
            mask.Drop<T>(row, batch, (int)h, first + r, 0, keys);
            end = Math.Max(end, SoftmaxRow.End(row, keys));
        }

        var width = (long)sizes.Heads * sizes.HeadDim;
        var target = y + ((((batch * sizes.Seq) + first) * width) + (h * sizes.HeadDim));
        BlockProduct.Multiply<T>(
            scores, sizes.Stride, 1, value + (keyHead * sizes.Capacity * sizes.HeadDim), sizes.HeadDim, target, width, rows, sizes.HeadDim, end, accumulate: false);
        for (var r = 0; r < rows; r++)
        {
            var row = target + (r * width);
            var d = 0;
            for (; d <= sizes.HeadDim - 16; d += 16)
                (T.Load(row + d) * T.Broadcast(inverse[r])).Store(row + d);
            for (; d < sizes.HeadDim; d++)
                row[d] *= inverse[r];
        }
    }
}
