namespace ChatGLM.Generation;

/// <summary>Rules out the end of sequence until a row, prompt included, has a minimum length.</summary>
internal sealed class MinLengthLogitsProcessor(int minLength, int[] eosTokenIds) : LogitsProcessor
{
    public override void Process(InputIds inputIds, TokenScores scores)
    {
        if (inputIds.Length < minLength)
            scores.RuleOut(eosTokenIds);
    }
}
