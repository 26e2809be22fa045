using ChatGLM.Peft.Lora;

namespace ChatGLM.Peft.Combining;

/// <summary>Makes one LoRA of several in one layer. The scaling of the result is 1.</summary>
internal static class LoraCombiner
{
    /// <summary>A [rank, in] and B [out, rank], row by row.</summary>
    public readonly record struct Factors(float[] A, float[] B, int Rank);

    public static Factors Combine(IReadOnlyList<LoraAdapter> adapters, IReadOnlyList<float> weights, WeightedAdapterOptions options, int? svdRank) => options.CombinationType switch
    {
        CombinationType.Cat => Cat(adapters, weights),
        CombinationType.Svd => Svd(adapters, weights, options, svdRank ?? adapters.Max(a => a.Rank)),
        _ => Elementwise(adapters, weights, options),
    };

    private static Factors Elementwise(IReadOnlyList<LoraAdapter> adapters, IReadOnlyList<float> weights, WeightedAdapterOptions options)
    {
        if (adapters.Any(a => a.Rank != adapters[0].Rank))
            throw new AdapterMergeException($"{options.CombinationType} adds A to A and B to B, so the adapters must be of one rank; found {string.Join(", ", adapters.Select(a => a.Rank))}. Use Cat or Svd.");
        var strengths = weights.Select((weight, i) => weight * adapters[i].Scaling).ToArray();
        var (forA, forB) = (strengths, strengths);
        if (options is { Rules: CombinationRules.Peft05, CombinationType: CombinationType.Linear })
        {
            forB = Array.ConvertAll(strengths, _ => 1f);
        }
        else
        {
            if (strengths.Any(s => s < 0))
                throw new AdapterMergeException($"{options.CombinationType} takes the root of each weight, so none may be negative. Use Cat or Svd, or Linear with the rules of {CombinationRules.Peft05}.");
            forA = forB = [.. strengths.Select(s => (float)Math.Sqrt(s))];
        }

        return new Factors(
            Elementwise([.. adapters.Select(a => a.A.ToArray<float>())], forA, options),
            Elementwise([.. adapters.Select(a => a.B.ToArray<float>())], forB, options),
            adapters[0].Rank);
    }

    private static float[] Elementwise(float[][] tensors, float[] weights, WeightedAdapterOptions options) => options.CombinationType switch
    {
        CombinationType.Ties => TaskArithmetic.Ties(tensors, weights, options.Density!.Value, options.MajoritySign),
        CombinationType.MagnitudePrune => TaskArithmetic.MagnitudePrune(tensors, weights, options.Density!.Value),
        _ => TaskArithmetic.Sum(tensors, weights),
    };

    private static Factors Cat(IReadOnlyList<LoraAdapter> adapters, IReadOnlyList<float> weights)
    {
        var rank = adapters.Sum(a => a.Rank);
        var rows = adapters[0].B.Shape[0];
        var a = adapters.SelectMany((adapter, i) => adapter.A.ToArray<float>().Select(value => value * weights[i] * adapter.Scaling)).ToArray();
        var b = new float[rows * rank];
        var start = 0;
        foreach (var adapter in adapters)
        {
            var values = adapter.B.ToArray<float>();
            for (var row = 0; row < rows; row++)
                values.AsSpan(row * adapter.Rank, adapter.Rank).CopyTo(b.AsSpan((row * rank) + start));
            start += adapter.Rank;
        }

        return new Factors(a, b, rank);
    }

    private static Factors Svd(IReadOnlyList<LoraAdapter> adapters, IReadOnlyList<float> weights, WeightedAdapterOptions options, int rank)
    {
        var strengths = weights.Select((weight, i) => options.Rules == CombinationRules.Peft05 ? weight : weight * adapters[i].Scaling).ToArray();
        var all = Cat(adapters, strengths);
        var (rows, columns) = (adapters[0].B.Shape[0], adapters[0].A.Shape[1]);
        var (left, right) = LowRankSvd.Decompose(Matrix(all.B, rows, all.Rank), Matrix(all.A, all.Rank, columns));
        var a = new float[rank * columns];
        var b = new float[rows * rank];
        for (var k = 0; k < Math.Min(rank, all.Rank); k++)
        {
            for (var column = 0; column < columns; column++)
                a[(k * columns) + column] = (float)right[k, column];
            for (var row = 0; row < rows; row++)
                b[(row * rank) + k] = (float)left[row, k];
        }

        if (options.SvdClamp is { } clamp)
            Clamp(a, b, clamp);
        return new Factors(a, b, rank);
    }

    /// <summary>Cuts both factors off at a quantile of all their values, found between its neighbours as torch.quantile does.</summary>
    private static void Clamp(float[] a, float[] b, double quantile)
    {
        var sorted = a.Concat(b).Order().ToArray();
        var at = quantile * (sorted.Length - 1);
        var below = sorted[(int)at];
        var above = sorted[Math.Min((int)at + 1, sorted.Length - 1)];
        var high = Math.Abs((float)(below + ((at - Math.Floor(at)) * (above - below))));
        foreach (var values in new[] { a, b })
        {
            for (var i = 0; i < values.Length; i++)
                values[i] = Math.Clamp(values[i], -high, high);
        }
    }

    private static double[,] Matrix(float[] values, int rows, int columns)
    {
        var matrix = new double[rows, columns];
        for (var row = 0; row < rows; row++)
        {
            for (var column = 0; column < columns; column++)
                matrix[row, column] = values[(row * columns) + column];
        }

        return matrix;
    }
}
