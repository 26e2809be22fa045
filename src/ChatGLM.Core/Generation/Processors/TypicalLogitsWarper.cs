namespace ChatGLM.Generation;

/// <summary>
/// Keeps the tokens whose surprise is nearest to the row's entropy, up to a mass of probability (locally typical sampling,
/// Meister et al. 2022).
/// </summary>
internal sealed class TypicalLogitsWarper(double mass, int minTokensToKeep = 1, Candidates? scratch = null) : LogitsProcessor
{
    private readonly Candidates _candidates = scratch ?? new Candidates();

    public override void Process(InputIds inputIds, TokenScores scores)
    {
        for (var row = 0; row < scores.Rows; row++)
            Process(scores[row]);
    }

    private void Process(Span<float> scores)
    {
        _candidates.Gather(scores);
        if (_candidates.Count == 0)
            return;
        var keys = _candidates.Keys;
        RowMath.LogSoftmax(_candidates.Scores, keys);
        var entropy = 0.0;
        foreach (var logProbability in keys)
            entropy -= (double)logProbability * MathF.Exp(logProbability);
        var nearest = float.PositiveInfinity;
        foreach (ref var key in keys)
        {
            key = Math.Abs(-key - (float)entropy);
            nearest = Math.Min(nearest, key);
        }

        // Rounding may leave the whole sum short of a mass near 1: then everything stays.
        var last = _candidates.FirstPast((float)mass, reaching: true, nearest);
        if (last == ulong.MaxValue)
            return;
        var farthestKept = _candidates.KeyAt(last);
        // The reference keeps a minimum only where it is above one: the nearest token always stays.
        var alwaysKept = minTokensToKeep > 1 ? _candidates.PlaceWith(Math.Min(minTokensToKeep, _candidates.Count) - 1) : 0;
        for (var i = 0; i < _candidates.Count; i++)
        {
            if (keys[i] > farthestKept && _candidates.Place(i) > alwaysKept)
                scores[_candidates.Tokens[i]] = float.NegativeInfinity;
        }
    }
}
