namespace ChatGLM.Generation;

/// <summary>A bias on the token that would complete a sequence of tokens.</summary>
/// <param name="Tokens">The sequence; the bias goes to its last token where the others precede it.</param>
/// <param name="Bias">What is added to the score.</param>
public sealed record SequenceBias(IReadOnlyList<int> Tokens, double Bias);
