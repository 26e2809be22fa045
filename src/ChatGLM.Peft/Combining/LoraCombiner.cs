using ChatGLM.Peft.Factorization;
using ChatGLM.Peft.Lora;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.Combining;

/// <summary>Makes one LoRA of several in one layer. The scaling of the result is 1.</summary>
/// <param name="options">How.</param>
/// <param name="rank">The rank of the result where it is not that of the adapters.</param>
/// <param name="generator">Where random choices are drawn from.</param>
internal sealed class LoraCombiner(WeightedAdapterOptions options, int rank, TorchGenerator generator)
{
    /// <summary>A [rank, in] and B [out, rank], row by row.</summary>
    public readonly record struct Factors(float[] A, float[] B, int Rank);

    private readonly CombinationType _type = options.CombinationType;

    /// <param name="adapters">The adapters of the layer.</param>
    /// <param name="weights">How strongly each counts.</param>
    /// <param name="isEmbedding">Whether the layer is an embedding, whose change lies transposed in peft.</param>
    public Factors Combine(IReadOnlyList<LoraAdapter> adapters, IReadOnlyList<float> weights, bool isEmbedding) => _type switch
    {
        CombinationType.Cat => Cat(adapters, weights),
        CombinationType.Svd => Svd(adapters, weights),
        _ when _type.IsSvd() => SvdOfPruned(adapters, weights, isEmbedding),
        _ => Elementwise(adapters, weights),
    };

    private Factors Elementwise(IReadOnlyList<LoraAdapter> adapters, IReadOnlyList<float> weights)
    {
        if (adapters.Any(a => a.Rank != adapters[0].Rank))
            throw new AdapterMergeException($"{_type} adds A to A and B to B, so the adapters must be of one rank; found {string.Join(", ", adapters.Select(a => a.Rank))}. Use Cat or Svd.");
        var strengths = weights.Select((weight, i) => weight * adapters[i].Scaling).ToArray();
        var (forA, forB) = (strengths, strengths);
        if (options.Rules == CombinationRules.Peft05 && _type == CombinationType.Linear)
        {
            forB = Array.ConvertAll(strengths, _ => 1f);
        }
        else
        {
            if (options.Rules != CombinationRules.Peft19 && strengths.Any(s => s < 0))
                throw new AdapterMergeException($"By the rules of {options.Rules} {_type} takes the root of each weight, so none may be negative. Use the rules of {CombinationRules.Peft19}, or Cat or Svd.");
            forB = [.. strengths.Select(s => (float)Math.Sqrt(Math.Abs(s)))];
            forA = [.. forB.Select((root, i) => MathF.CopySign(root, strengths[i]))];
        }

        return new Factors(
            Add([.. adapters.Select(a => Values(a.A))], forA, null),
            Add([.. adapters.Select(a => Values(a.B))], forB, null),
            adapters[0].Rank);
    }

    /// <summary>Drops values as the options say and adds up what is left.</summary>
    private float[] Add(IReadOnlyList<float[]> tensors, IReadOnlyList<float> weights, int? transposedRows)
    {
        if (_type.Prunes())
        {
            var density = options.Density!.Value;
            tensors = [.. tensors.Select(values => _type.IsRandom()
                ? Pruning.KeepAtRandom(values, density, options.Rules == CombinationRules.Peft19, transposedRows, generator)
                : Pruning.KeepLargest(values, density))];
        }

        return _type.ElectsSigns() ? TaskArithmetic.Agreeing(tensors, weights, options.MajoritySign) : TaskArithmetic.Sum(tensors, weights);
    }

    private static Factors Cat(IReadOnlyList<LoraAdapter> adapters, IReadOnlyList<float> weights)
    {
        var rank = adapters.Sum(a => a.Rank);
        var rows = adapters[0].B.Shape[0];
        var a = adapters.SelectMany((adapter, i) => Values(adapter.A).Select(value => value * weights[i] * adapter.Scaling)).ToArray();
        var b = new float[rows * rank];
        var start = 0;
        foreach (var adapter in adapters)
        {
            var values = Values(adapter.B);
            for (var row = 0; row < rows; row++)
                values.AsSpan(row * adapter.Rank, adapter.Rank).CopyTo(b.AsSpan((row * rank) + start));
            start += adapter.Rank;
        }

        return new Factors(a, b, rank);
    }

    private Factors Svd(IReadOnlyList<LoraAdapter> adapters, IReadOnlyList<float> weights)
    {
        var strengths = weights.Select((weight, i) => options.Rules == CombinationRules.Peft05 ? weight : weight * adapters[i].Scaling).ToArray();
        var all = Cat(adapters, strengths);
        var (rows, columns) = (adapters[0].B.Shape[0], adapters[0].A.Shape[1]);
        var left = new double[all.Rank][];
        var right = new double[all.Rank][];
        for (var k = 0; k < all.Rank; k++)
        {
            left[k] = [.. Enumerable.Range(0, rows).Select(row => (double)all.B[(row * all.Rank) + k])];
            right[k] = [.. all.A.Skip(k * columns).Take(columns).Select(value => (double)value)];
        }

        return Fit(LowRankSvd.Decompose(left, right));
    }

    /// <summary>What is dropped from a change leaves it without a low rank: it is made, [out, in], and decomposed whole.</summary>
    private Factors SvdOfPruned(IReadOnlyList<LoraAdapter> adapters, IReadOnlyList<float> weights, bool isEmbedding)
    {
        var (rows, columns) = (adapters[0].B.Shape[0], adapters[0].A.Shape[1]);
        if ((long)rows * columns > Array.MaxLength)
            throw new AdapterMergeException($"{_type} makes the whole change of a layer, and one of [{rows}, {columns}] has more than {Array.MaxLength} elements. Use {CombinationType.Svd}.");
        var changes = adapters.Select(Change).ToArray();
        var strengths = weights.Select((weight, i) => weight * adapters[i].Scaling).ToArray();
        var sum = Add(changes, strengths, isEmbedding ? rows : null);
        return Fit(TruncatedSvd.Largest(new DenseMatrix(sum, rows, columns), rank));
    }

    private static float[] Change(LoraAdapter adapter)
    {
        Values(adapter.A);
        using var noGrad = GradMode.NoGrad();
        using var scope = new TensorScope();
        var change = adapter.B.Backend.MatMul(adapter.B, adapter.A);
        change.Backend.ScaleInPlace(change, adapter.Scaling);
        return change.ToArray<float>();
    }

    private Factors Fit(SingularValues decomposed)
    {
        var (left, values, right) = decomposed.Take(rank);
        var (rows, columns) = (left[0].Length, right[0].Length);
        var a = new float[rank * columns];
        var b = new float[rows * rank];
        for (var k = 0; k < rank; k++)
        {
            for (var column = 0; column < columns; column++)
                a[(k * columns) + column] = (float)right[k][column];
            for (var row = 0; row < rows; row++)
                b[(row * rank) + k] = (float)(left[k][row] * values[k]);
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

    private static float[] Values(Tensor tensor)
    {
        var values = tensor.ToArray<float>();
        return Array.TrueForAll(values, float.IsFinite)
            ? values
            : throw new AdapterMergeException("An adapter holds NaN or infinity, so it is damaged and cannot be combined. Nothing was changed.");
    }
}
