namespace ChatGLM.Peft.Combining;

/// <summary>Weighted sums of equally long arrays, some of them after dropping values.</summary>
internal static class TaskArithmetic
{
    public static float[] Sum(IReadOnlyList<float[]> tensors, IReadOnlyList<float> weights)
    {
        var sum = new float[tensors[0].Length];
        for (var t = 0; t < tensors.Count; t++)
        {
            for (var i = 0; i < sum.Length; i++)
                sum[i] += tensors[t][i] * weights[t];
        }

        return sum;
    }

    public static float[] MagnitudePrune(IReadOnlyList<float[]> tensors, IReadOnlyList<float> weights, double density) =>
        Sum([.. tensors.Select(t => KeepLargest(t, density))], weights);

    /// <summary>The mean of the weighted values whose sign is the elected one.</summary>
    public static float[] Ties(IReadOnlyList<float[]> tensors, IReadOnlyList<float> weights, double density, MajoritySign method)
    {
        var kept = tensors.Select(t => KeepLargest(t, density)).ToArray();
        var result = new float[kept[0].Length];
        for (var i = 0; i < result.Length; i++)
        {
            float ballot = 0;
            foreach (var tensor in kept)
                ballot += method == MajoritySign.Total ? tensor[i] : Math.Sign(tensor[i]);
            var elected = ballot >= 0 ? 1 : -1;
            float sum = 0;
            var agreeing = 0;
            for (var t = 0; t < kept.Length; t++)
            {
                if (Math.Sign(kept[t][i]) != elected)
                    continue;
                sum += kept[t][i] * weights[t];
                agreeing++;
            }

            result[i] = sum / Math.Max(agreeing, 1);
        }

        return result;
    }

    /// <summary>Zeroes all but a part of the values, the largest ones.</summary>
    private static float[] KeepLargest(float[] values, double density)
    {
        var count = (int)(density * values.Length);
        var order = Enumerable.Range(0, values.Length).ToArray();
        // Stable: of equals the first is kept.
        Array.Sort(order, (a, b) => Math.Abs(values[b]).CompareTo(Math.Abs(values[a])) is var c && c != 0 ? c : a.CompareTo(b));
        var kept = new float[values.Length];
        foreach (var index in order.AsSpan(0, count))
            kept[index] = values[index];
        return kept;
    }
}
