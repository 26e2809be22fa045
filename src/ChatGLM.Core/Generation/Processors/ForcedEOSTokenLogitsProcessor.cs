namespace ChatGLM.Generation;

/// <summary>Allows nothing but the given tokens at the last place before the maximum length.</summary>
internal sealed class ForcedEOSTokenLogitsProcessor(int maxLength, int[] eosTokenIds) : LogitsProcessor
{
    public override void Process(InputIds inputIds, TokenScores scores)
    {
        if (inputIds.Length == maxLength - 1)
            scores.AllowOnly(eosTokenIds);
    }
}
