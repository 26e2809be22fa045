namespace ChatGLM.Generation;

/// <summary>
/// Removes tokens whose probability is below a bound that falls with the row's entropy: min(epsilon, sqrt(epsilon) * exp(-entropy))
/// (eta sampling, Hewitt et al. 2022).
/// </summary>
internal sealed class EtaLogitsWarper(double epsilon, int minTokensToKeep = 1, Candidates? scratch = null) : LogitsProcessor
{
    private readonly ProbabilityFloor _floor = new(minTokensToKeep, scratch ?? new Candidates());

    public override void Process(InputIds inputIds, TokenScores scores)
    {
        for (var row = 0; row < scores.Rows; row++)
        {
            if (!_floor.Gather(scores[row]))
                continue;
            var entropy = 0.0;
            foreach (var probability in _floor.Probabilities)
            {
                if (probability > 0)
                    entropy -= probability * Math.Log(probability);
            }

            _floor.Remove(scores[row], Math.Min((float)epsilon, MathF.Sqrt((float)epsilon) * (float)Math.Exp(-entropy)));
        }
    }
}
