namespace ChatGLM.Peft;

/// <summary>How adapters are combined. peft's <c>svd_full_matrices</c> and <c>svd_driver</c> have no counterpart: they choose how torch computes the same values.</summary>
public sealed record WeightedAdapterOptions
{
    /// <summary>What is computed.</summary>
    public CombinationType CombinationType { get; init; } = CombinationType.Svd;

    /// <summary>The rank of the result of <see cref="CombinationType.Svd"/> and its like; null for the largest of the ranks.</summary>
    public int? SvdRank { get; init; }

    /// <summary>The quantile above which the singular vectors are cut off, in (0, 1]; null for none.</summary>
    public double? SvdClamp { get; init; }

    /// <summary>The part of the values that is kept where values are dropped, in [0, 1]: what is not <see cref="CombinationType.Svd"/>, <see cref="CombinationType.Linear"/> or
    /// <see cref="CombinationType.Cat"/> needs it. 1 keeps all.</summary>
    public double? Density { get; init; }

    /// <summary>How the ways with "ties" elect signs.</summary>
    public MajoritySign MajoritySign { get; init; }

    /// <summary>Whose arithmetic.</summary>
    public CombinationRules Rules { get; init; }

    /// <summary>The seed of what the ways with "dare" drop: the adapter is that of <c>torch.manual_seed(seed)</c> right before peft's <c>add_weighted_adapter</c>. Null to draw on from the
    /// model's <see cref="Models.PreTrainedModel.Generator"/>.</summary>
    public ulong? Seed { get; init; }
}
