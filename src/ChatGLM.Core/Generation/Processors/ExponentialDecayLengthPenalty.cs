namespace ChatGLM.Generation;

/// <summary>From a number of generated tokens on, multiplies the score of the end of sequence by a factor that grows with every token.</summary>
internal sealed class ExponentialDecayLengthPenalty(int startIndex, double decayFactor, int[] eosTokenIds, int inputIdsSeqLength) : LogitsProcessor
{
    public override void Process(InputIds inputIds, TokenScores scores)
    {
        var past = inputIds.Length - ((long)startIndex + inputIdsSeqLength);
        if (past <= 0)
            return;
        var factor = (float)Math.Pow(decayFactor, past);
        for (var row = 0; row < scores.Rows; row++)
        {
            foreach (var token in eosTokenIds)
                scores[row][token] *= factor;
        }
    }
}
