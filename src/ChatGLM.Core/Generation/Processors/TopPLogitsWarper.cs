namespace ChatGLM.Generation;

/// <summary>
/// Keeps the smallest set of best tokens whose probabilities reach p. As the reference computes it: adding up from the least likely
/// token, those go with which the sum is still at most 1 - p.
/// </summary>
internal sealed class TopPLogitsWarper(double topP, int minTokensToKeep = 1, Candidates? scratch = null) : LogitsProcessor
{
    private readonly float _removed = (float)(1 - topP);
    private readonly Candidates _candidates = scratch ?? new Candidates();

    public override void Process(InputIds inputIds, TokenScores scores)
    {
        for (var row = 0; row < scores.Rows; row++)
            Process(scores[row]);
    }

    private void Process(Span<float> scores)
    {
        _candidates.Gather(scores);
        if (_candidates.Count <= minTokensToKeep)
            return;
        _candidates.Scores.CopyTo(_candidates.Keys);
        var best = float.NegativeInfinity;
        foreach (var score in _candidates.Scores)
            best = Math.Max(best, score);
        var firstKept = _candidates.FirstPast(_removed, reaching: false, lowest: best - 40);
        var lastAllowed = _candidates.PlaceWith(_candidates.Count - minTokensToKeep);
        firstKept = Math.Min(firstKept, lastAllowed);
        for (var i = 0; i < _candidates.Count; i++)
        {
            if (_candidates.Place(i) < firstKept)
                scores[_candidates.Tokens[i]] = float.NegativeInfinity;
        }
    }
}
