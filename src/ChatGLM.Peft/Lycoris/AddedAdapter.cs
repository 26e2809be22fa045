namespace ChatGLM.Peft.Lycoris;

/// <summary>An adapter that adds a matrix to the weight.</summary>
internal abstract class AddedAdapter : LycorisAdapter
{
    /// <summary>A factor of what is added.</summary>
    public required float Scaling { get; init; }

    /// <summary>The probability with which a row of the added matrix is left out of a training pass.</summary>
    public required float RankDropout { get; init; }

    /// <summary>Whether the rows that are left are made larger so that the mean stays.</summary>
    public bool ScalesRankDropout { get; init; } = true;
}
