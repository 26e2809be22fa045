namespace ChatGLM.Peft;

/// <summary>How <see cref="PeftModel.AddWeightedAdapter"/> makes one adapter of several (<c>combination_type</c>).</summary>
public enum CombinationType
{
    /// <summary>The best adapter of a given rank for the weighted sum of the changes, by singular values.</summary>
    Svd,

    /// <summary>The weighted sums of A and of B, for adapters of one rank. This is not the sum of the changes, but of the same size.</summary>
    Linear,

    /// <summary>A and B side by side: exactly the weighted sum of the changes, with the sum of the ranks.</summary>
    Cat,

    /// <summary>Small values of A and B are dropped, and values whose sign the majority does not share (TIES, Yadav et al. 2023).</summary>
    Ties,

    /// <summary><see cref="Ties"/> of the changes themselves, then the best adapter of a given rank for the result.</summary>
    TiesSvd,

    /// <summary>Values of A and B are dropped at random, the rest are enlarged to make up for them and summed (DARE, Yu et al. 2023).</summary>
    DareLinear,

    /// <summary><see cref="DareLinear"/> of the changes themselves, then the best adapter of a given rank for the result.</summary>
    DareLinearSvd,

    /// <summary>As <see cref="DareLinear"/>, but values whose sign the majority does not share are left out, as in <see cref="Ties"/>.</summary>
    DareTies,

    /// <summary><see cref="DareTies"/> of the changes themselves, then the best adapter of a given rank for the result.</summary>
    DareTiesSvd,

    /// <summary>Small values of A and B are dropped, the rest are summed.</summary>
    MagnitudePrune,

    /// <summary><see cref="MagnitudePrune"/> of the changes themselves, then the best adapter of a given rank for the result.</summary>
    MagnitudePruneSvd,
}
