namespace ChatGLM.Peft.Combining;

/// <summary>What the ways to combine have in common: each is a way to drop values, a way to add up what is left, and where that is done.</summary>
internal static class CombinationTypes
{
    /// <summary>Works on the change itself, [out, in], and brings the result back to a rank by singular values.</summary>
    public static bool IsSvd(this CombinationType type) =>
        type is CombinationType.Svd or CombinationType.TiesSvd or CombinationType.DareLinearSvd or CombinationType.DareTiesSvd or CombinationType.MagnitudePruneSvd;

    /// <summary>Adds A to A and B to B, so the ranks must be the same.</summary>
    public static bool NeedsOneRank(this CombinationType type) => type != CombinationType.Cat && !type.IsSvd();

    /// <summary>Drops values at random.</summary>
    public static bool IsRandom(this CombinationType type) =>
        type is CombinationType.DareLinear or CombinationType.DareLinearSvd or CombinationType.DareTies or CombinationType.DareTiesSvd;

    /// <summary>Drops values whose sign the majority does not share.</summary>
    public static bool ElectsSigns(this CombinationType type) =>
        type is CombinationType.Ties or CombinationType.TiesSvd or CombinationType.DareTies or CombinationType.DareTiesSvd;

    /// <summary>Drops values, so it needs a density.</summary>
    public static bool Prunes(this CombinationType type) => type.IsRandom() || type.ElectsSigns() || type is CombinationType.MagnitudePrune or CombinationType.MagnitudePruneSvd;
}
