namespace ChatGLM.Generation;

/// <summary>Removes tokens whose probability is below epsilon, but never the best ones.</summary>
internal sealed class EpsilonLogitsWarper(double epsilon, int minTokensToKeep = 1, Candidates? scratch = null) : LogitsProcessor
{
    private readonly ProbabilityFloor _floor = new(minTokensToKeep, scratch ?? new Candidates());

    public override void Process(InputIds inputIds, TokenScores scores)
    {
        for (var row = 0; row < scores.Rows; row++)
        {
            if (_floor.Gather(scores[row]))
                _floor.Remove(scores[row], (float)epsilon);
        }
    }
}
