namespace ChatGLM.Generation;

/// <summary>Turns NaN into 0 and plus infinity into the largest float32; minus infinity, a token ruled out, stays.</summary>
internal sealed class InfNanRemoveLogitsProcessor : LogitsProcessor
{
    public override void Process(InputIds inputIds, TokenScores scores)
    {
        foreach (ref var score in scores.Values)
        {
            if (float.IsNaN(score))
                score = 0;
            else if (float.IsPositiveInfinity(score))
                score = float.MaxValue;
        }
    }
}
