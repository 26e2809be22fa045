namespace ChatGLM.Peft;

/// <summary>How adapters are combined.</summary>
public sealed record WeightedAdapterOptions
{
    /// <summary>What is computed.</summary>
    public CombinationType CombinationType { get; init; } = CombinationType.Svd;

    /// <summary>The rank of the result of <see cref="CombinationType.Svd"/>; null for the largest of the ranks.</summary>
    public int? SvdRank { get; init; }

    /// <summary>The quantile above which the singular vectors are cut off, in (0, 1]; null for none.</summary>
    public double? SvdClamp { get; init; }

    /// <summary>The part of the values that <see cref="CombinationType.Ties"/> and <see cref="CombinationType.MagnitudePrune"/> keep, in [0, 1]. They need it.</summary>
    public double? Density { get; init; }

    /// <summary>How <see cref="CombinationType.Ties"/> elects signs.</summary>
    public MajoritySign MajoritySign { get; init; }

    /// <summary>Whose arithmetic.</summary>
    public CombinationRules Rules { get; init; }
}
