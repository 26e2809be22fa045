namespace ChatGLM.Generation;

/// <summary>The best finished sequences of one prompt, at most as many as there are beams.</summary>
internal sealed class BeamHypotheses(int numBeams, double lengthPenalty, EarlyStopping earlyStopping, int maxLength)
{
    private readonly List<Hypothesis> _hypotheses = new(numBeams + 1);
    private double _worstScore = 1e9;

    public void Add(ReadOnlySpan<int> tokens, double sumLogProbabilities, FinishReason reason)
    {
        var score = sumLogProbabilities / Math.Pow(tokens.Length, lengthPenalty);
        if (_hypotheses.Count == numBeams && !(score > _worstScore))
            return;
        _hypotheses.Add(new Hypothesis(score, tokens.ToArray(), reason));
        if (_hypotheses.Count <= numBeams)
        {
            _worstScore = Math.Min(score, _worstScore);
            return;
        }

        // One too many: the worst goes, the earliest among equals.
        var worst = 0;
        for (var i = 1; i < _hypotheses.Count; i++)
        {
            if (_hypotheses[i].Score < _hypotheses[worst].Score)
                worst = i;
        }

        _hypotheses.RemoveAt(worst);
        _worstScore = _hypotheses.Min(h => h.Score);
    }

    /// <summary>Whether no open beam can, or is likely to, beat what there is.</summary>
    /// <param name="bestSumLogProbabilities">The best sum among the open beams' continuations.</param>
    /// <param name="length">The length that sum stands for.</param>
    public bool IsDone(double bestSumLogProbabilities, int length)
    {
        if (_hypotheses.Count < numBeams)
            return false;
        if (earlyStopping == EarlyStopping.True)
            return true;
        // "never" looks for the length at which a sum that can only fall would score best; false goes by the present length.
        var bestLength = earlyStopping == EarlyStopping.Never && lengthPenalty > 0 ? maxLength : length;
        return _worstScore >= bestSumLogProbabilities / Math.Pow(bestLength, lengthPenalty);
    }

    /// <summary>The best ones, best first; among equals the later one first.</summary>
    public IEnumerable<Hypothesis> Best(int count) => _hypotheses.OrderBy(h => h.Score).Reverse().Take(count);

    public sealed record Hypothesis(double Score, int[] Tokens, FinishReason Reason);
}
