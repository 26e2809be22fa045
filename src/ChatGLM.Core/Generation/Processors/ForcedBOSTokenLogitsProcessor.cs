namespace ChatGLM.Generation;

/// <summary>Allows nothing but one token where a row holds exactly one.</summary>
internal sealed class ForcedBOSTokenLogitsProcessor(int bosTokenId) : LogitsProcessor
{
    public override void Process(InputIds inputIds, TokenScores scores)
    {
        if (inputIds.Length == 1)
            scores.AllowOnly([bosTokenId]);
    }
}
