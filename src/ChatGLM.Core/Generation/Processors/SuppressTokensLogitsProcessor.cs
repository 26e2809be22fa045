namespace ChatGLM.Generation;

/// <summary>Rules out tokens everywhere.</summary>
internal sealed class SuppressTokensLogitsProcessor(int[] suppressTokens) : LogitsProcessor
{
    public override void Process(InputIds inputIds, TokenScores scores) => scores.RuleOut(suppressTokens);
}
