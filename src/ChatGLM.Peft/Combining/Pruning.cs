using ChatGLM.Tensors;

namespace ChatGLM.Peft.Combining;

/// <summary>Zeroes values: the small ones, or some at random.</summary>
internal static class Pruning
{
    private const int HalfBits = 16;

    /// <summary>Keeps the largest values and zeroes the rest. Of equally large ones at the border the first stay.</summary>
    /// <param name="values">The values; they are left as they are.</param>
    /// <param name="density">The part to keep; 1 and more keep all.</param>
    public static float[] KeepLargest(float[] values, double density)
    {
        if (density >= 1)
            return values;
        var count = (int)(density * values.Length);
        var kept = new float[values.Length];
        if (count == 0)
            return kept;
        var (border, atBorder) = Border(values, count);
        for (var i = 0; i < values.Length; i++)
        {
            var magnitude = Magnitude(values[i]);
            if (magnitude > border || (magnitude == border && atBorder-- > 0))
                kept[i] = values[i];
        }

        return kept;
    }

    /// <summary>Keeps values at random (<c>torch.bernoulli(torch.full_like(values, density))</c>: one word for each); a density of 1 draws nothing.</summary>
    /// <param name="values">[rows, columns], row by row.</param>
    /// <param name="density">The part to keep.</param>
    /// <param name="rescales">Whether what is kept is divided by the density.</param>
    /// <param name="transposedRows">The number of rows, if torch has the values transposed and so draws column by column; null if not.</param>
    /// <param name="generator">Where the draws come from.</param>
    public static float[] KeepAtRandom(float[] values, double density, bool rescales, int? transposedRows, TorchGenerator generator)
    {
        if (density >= 1)
            return values;
        var (probability, divisor) = ((float)density, rescales ? (float)density : 1);
        var kept = new float[values.Length];
        var columns = values.Length / (transposedRows ?? 1);
        for (var i = 0; i < values.Length; i++)
        {
            var index = transposedRows is { } rows ? (i % rows * columns) + (i / rows) : i;
            if (generator.NextSingle() < probability)
                kept[index] = values[index] / divisor;
        }

        return kept;
    }

    /// <summary>The magnitude of the last value that is kept, and how many of that magnitude are. A magnitude's bits are in its own order, so two histograms of half the bits find it in a pass each.</summary>
    private static (uint Border, int AtBorder) Border(float[] values, int count)
    {
        var high = new int[1 << HalfBits];
        foreach (var value in values)
            high[Magnitude(value) >> HalfBits]++;
        var (upper, left) = Find(high, count);
        var low = new int[1 << HalfBits];
        foreach (var value in values)
        {
            var magnitude = Magnitude(value);
            if (magnitude >> HalfBits == upper)
                low[magnitude & 0xffff]++;
        }

        var (lower, atBorder) = Find(low, left);
        return (((uint)upper << HalfBits) | (uint)lower, atBorder);
    }

    /// <summary>The bin in which the count from the top runs out, and what is left of the count there.</summary>
    private static (int Bin, int Left) Find(int[] histogram, int count)
    {
        var bin = histogram.Length - 1;
        for (; histogram[bin] < count; bin--)
            count -= histogram[bin];
        return (bin, count);
    }

    private static uint Magnitude(float value) => BitConverter.SingleToUInt32Bits(value) & 0x7fffffff;
}
