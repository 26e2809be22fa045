namespace ChatGLM.Peft;

/// <summary>How <see cref="CombinationType.Ties"/> elects the sign of a value.</summary>
public enum MajoritySign
{
    /// <summary>By the sum of the values.</summary>
    Total,

    /// <summary>By the number of signs.</summary>
    Frequency,
}
