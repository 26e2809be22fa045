namespace ChatGLM.Models;

/// <summary>Where the tokens of one sequence stand, and how far its first ones see: what masks are made of where rows of different lengths go through a model side by side.</summary>
internal abstract class SequencePositions
{
    /// <summary>The first so many tokens attend to each other in both directions, and have to come in one pass; 0 where every token sees what is before it.</summary>
    public abstract int Context { get; }

    /// <summary>Whether virtual tokens before the first one attend to each other, and to the context, in both directions.</summary>
    public abstract bool IsBidirectional { get; }

    /// <summary>The positions of a token, [sections].</summary>
    /// <param name="token">Its index, generated ones counted on behind the prompt.</param>
    /// <param name="virtualTokens">Virtual tokens before the first one.</param>
    /// <param name="positions">What is filled.</param>
    public abstract void Write(int token, int virtualTokens, Span<long> positions);
}
