namespace ChatGLM.Peft;

/// <summary>How <see cref="InitLoraWeights.Loftq"/> rounds the base's weights (<c>peft.LoftQConfig</c>).</summary>
public sealed record LoftqConfig
{
    /// <summary>The bits of a value: 2, 4 or 8. <c>loftq_bits</c> in the file.</summary>
    public int LoftqBits { get; init; } = 4;

    /// <summary>How often weights and adapter are fitted to each other, in turns. <c>loftq_iter</c> in the file.</summary>
    public int LoftqIter { get; init; } = 1;
}
