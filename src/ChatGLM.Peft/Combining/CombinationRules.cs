namespace ChatGLM.Peft;

/// <summary>Whose arithmetic <see cref="PeftModel.AddWeightedAdapter"/> follows; peft changed its own.</summary>
public enum CombinationRules
{
    /// <summary>
    /// peft 0.9 and later. <see cref="CombinationType.Linear"/> multiplies A and B each by the root of weight times scaling, so weights are positive; <see cref="CombinationType.Svd"/> multiplies
    /// by the scaling of an adapter twice.
    /// </summary>
    Peft09,

    /// <summary>Before peft 0.9. <see cref="CombinationType.Linear"/> multiplies A alone, so weights may be negative; <see cref="CombinationType.Svd"/> is the sum of the changes itself.</summary>
    Peft05,
}
