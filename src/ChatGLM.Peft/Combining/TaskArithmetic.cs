namespace ChatGLM.Peft.Combining;

/// <summary>Weighted sums of equally long arrays.</summary>
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

    /// <summary>The mean of the weighted values whose sign is the elected one. The values before weighting vote.</summary>
    public static float[] Agreeing(IReadOnlyList<float[]> tensors, IReadOnlyList<float> weights, MajoritySign method)
    {
        var result = new float[tensors[0].Length];
        for (var i = 0; i < result.Length; i++)
        {
            float ballot = 0;
            foreach (var tensor in tensors)
                ballot += method == MajoritySign.Total ? tensor[i] : Math.Sign(tensor[i]);
            var elected = ballot >= 0 ? 1 : -1;
            float sum = 0;
            var agreeing = 0;
            for (var t = 0; t < tensors.Count; t++)
            {
                if (Math.Sign(tensors[t][i]) != elected)
                    continue;
                sum += tensors[t][i] * weights[t];
                agreeing++;
            }

            result[i] = sum / Math.Max(agreeing, 1);
        }

        return result;
    }
}
