namespace ChatGLM.Generation;

/// <summary>Turns scores into logarithms of probabilities.</summary>
internal sealed class LogitNormalization : LogitsProcessor
{
    public override void Process(InputIds inputIds, TokenScores scores)
    {
        for (var row = 0; row < scores.Rows; row++)
            RowMath.LogSoftmax(scores[row]);
    }
}
