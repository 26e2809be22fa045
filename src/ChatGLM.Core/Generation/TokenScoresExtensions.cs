namespace ChatGLM.Generation;

internal static class TokenScoresExtensions
{
    /// <summary>Rules tokens out in every row.</summary>
    public static void RuleOut(this TokenScores scores, ReadOnlySpan<int> tokens)
    {
        for (var row = 0; row < scores.Rows; row++)
        {
            foreach (var token in tokens)
                scores[row][token] = float.NegativeInfinity;
        }
    }

    /// <summary>Rules out everything but the given tokens, whose scores become 0.</summary>
    public static void AllowOnly(this TokenScores scores, ReadOnlySpan<int> tokens)
    {
        scores.Values.Fill(float.NegativeInfinity);
        for (var row = 0; row < scores.Rows; row++)
        {
            foreach (var token in tokens)
                scores[row][token] = 0;
        }
    }
}
