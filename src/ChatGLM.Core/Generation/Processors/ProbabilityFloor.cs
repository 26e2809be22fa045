namespace ChatGLM.Generation;

/// <summary>Removes the tokens of a row below a probability, but never those that score as well as the n-th best.</summary>
internal sealed class ProbabilityFloor(int minTokensToKeep, Candidates candidates)
{
    private readonly float[] _heap = new float[minTokensToKeep];

    public ReadOnlySpan<float> Probabilities => candidates.Probabilities;

    /// <summary>Whether there is anything that could go.</summary>
    public bool Gather(ReadOnlySpan<float> scores)
    {
        candidates.Gather(scores);
        return candidates.Count > minTokensToKeep;
    }

    public void Remove(Span<float> scores, float below)
    {
        var spared = RowMath.KthLargest(candidates.Scores, minTokensToKeep, _heap);
        for (var i = 0; i < candidates.Count; i++)
        {
            if (candidates.Probabilities[i] < below && candidates.Scores[i] < spared)
                scores[candidates.Tokens[i]] = float.NegativeInfinity;
        }
    }
}
