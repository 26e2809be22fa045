using ChatGLM.Tensors;

namespace ChatGLM.Training;

/// <summary>The order in which an epoch goes through its samples, as transformers' trainer has it on one process.</summary>
internal static class TrainingOrder
{
    private const int MostBatchesInGroup = 50;

    /// <summary>A random order; with lengths, one that puts rows of similar length together.</summary>
    /// <param name="samples">The number of samples.</param>
    /// <param name="lengths">The tokens of each, or null.</param>
    /// <param name="batchSize">The rows of one optimizer step.</param>
    /// <param name="generator">The generator that everything random draws from.</param>
    public static int[] NextEpoch(int samples, IReadOnlyList<int>? lengths, int batchSize, TorchGenerator generator)
    {
        var order = new int[samples];
        if (lengths is null)
        {
            RandomSampler.NextEpoch(order, generator);
            return order;
        }

        // The loader draws the base seed of its workers first; the permutation comes from the same generator here.
        _ = generator.NextInt64();
        generator.RandPerm(order);
        GroupByLength(order, lengths, batchSize);
        return order;
    }

    private static void GroupByLength(int[] order, IReadOnlyList<int> lengths, int batchSize)
    {
        var groupSize = (int)Math.Min(order.Length, (long)Math.Max(1, Math.Min(order.Length / ((long)batchSize * 4), MostBatchesInGroup)) * batchSize);
        var (longestStart, longest) = (0, -1);
        for (var start = 0; start < order.Length; start += groupSize)
        {
            var group = order.AsSpan(start, Math.Min(groupSize, order.Length - start));
            // Python's sort is stable, also in reverse.
            group.ToArray().OrderByDescending(index => lengths[index]).ToArray().CopyTo(group);
            if (lengths[group[0]] > longest)
                (longestStart, longest) = (start, lengths[group[0]]);
        }

        // The longest row of all comes first, so that a run that does not fit fails at once.
        if (order.Length > 0)
            (order[0], order[longestStart]) = (order[longestStart], order[0]);
    }
}
