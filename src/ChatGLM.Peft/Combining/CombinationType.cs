namespace ChatGLM.Peft;

/// <summary>How <see cref="PeftModel.AddWeightedAdapter"/> makes one adapter of several.</summary>
public enum CombinationType
{
    /// <summary>The best adapter of a given rank for the weighted sum of the changes, by singular values.</summary>
    Svd,

    /// <summary>The weighted sums of A and of B, for adapters of one rank. This is not the sum of the changes, but of the same size.</summary>
    Linear,

    /// <summary>A and B side by side: exactly the weighted sum of the changes, with the sum of the ranks.</summary>
    Cat,

    /// <summary>Small values are dropped, and values whose sign the majority does not share (TIES, Yadav et al. 2023).</summary>
    Ties,

    /// <summary>Small values are dropped, the rest are summed.</summary>
    MagnitudePrune,
}
