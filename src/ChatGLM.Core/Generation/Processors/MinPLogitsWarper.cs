namespace ChatGLM.Generation;

/// <summary>Removes tokens whose probability is below a fraction of the best token's.</summary>
internal sealed class MinPLogitsWarper(double minP, int minTokensToKeep = 1, Candidates? scratch = null) : LogitsProcessor
{
    private readonly ProbabilityFloor _floor = new(minTokensToKeep, scratch ?? new Candidates());

    public override void Process(InputIds inputIds, TokenScores scores)
    {
        for (var row = 0; row < scores.Rows; row++)
        {
            if (!_floor.Gather(scores[row]))
                continue;
            var best = 0f;
            foreach (var probability in _floor.Probabilities)
                best = Math.Max(best, probability);
            _floor.Remove(scores[row], (float)minP * best);
        }
    }
}
