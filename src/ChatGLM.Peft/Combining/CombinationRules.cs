namespace ChatGLM.Peft;

/// <summary>Whose arithmetic <see cref="PeftModel.AddWeightedAdapter"/> follows; peft changed its own twice.</summary>
public enum CombinationRules
{
    /// <summary>
    /// peft 0.19 and later. What adds A to A and B to B multiplies each by the root of weight times scaling, A by its sign too, so weights may be negative. DARE divides what it keeps by the density.
    /// Combinations by singular values multiply by the scaling of an adapter twice.
    /// </summary>
    Peft19,

    /// <summary>peft 0.9 to 0.18: as later, but weights are positive, and DARE forgets to divide, which makes its result smaller than the sum that it stands for.</summary>
    Peft09,

    /// <summary>Before peft 0.9. <see cref="CombinationType.Linear"/> multiplies A alone; <see cref="CombinationType.Svd"/> is the sum of the changes itself.</summary>
    Peft05,
}
