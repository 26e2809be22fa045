namespace ChatGLM.Generation;

/// <summary>Rules out the end of sequence until a minimum of tokens has been generated.</summary>
internal sealed class MinNewTokensLengthLogitsProcessor(int promptLengthToSkip, int minNewTokens, int[] eosTokenIds) : LogitsProcessor
{
    public override void Process(InputIds inputIds, TokenScores scores)
    {
        if (inputIds.Length - promptLengthToSkip < minNewTokens)
            scores.RuleOut(eosTokenIds);
    }
}
