namespace ChatGLM.Generation;

/// <summary>Rules out tokens at the first place that is generated.</summary>
internal sealed class SuppressTokensAtBeginLogitsProcessor(int[] beginSuppressTokens, int beginIndex) : LogitsProcessor
{
    public override void Process(InputIds inputIds, TokenScores scores)
    {
        if (inputIds.Length == beginIndex)
            scores.RuleOut(beginSuppressTokens);
    }
}
