namespace ChatGLM.Generation;

/// <summary>
/// Makes every token that the row already holds less likely, prompt and padding included: a positive score is divided by the penalty, a
/// negative one multiplied, once however often the token occurs (CTRL, Keskar et al. 2019).
/// </summary>
internal sealed class RepetitionPenaltyLogitsProcessor(float penalty) : LogitsProcessor
{
    // The number of the last row in which a token was penalised: no clearing between rows and steps.
    private int[] _seen = [];
    private int _mark;

    public override void Process(InputIds inputIds, TokenScores scores)
    {
        if (_seen.Length < scores.VocabularySize)
            _seen = new int[scores.VocabularySize];
        for (var row = 0; row < scores.Rows; row++)
        {
            if (++_mark == int.MaxValue)
            {
                Array.Clear(_seen);
                _mark = 1;
            }

            var values = scores[row];
            foreach (var token in inputIds[row])
            {
                if (_seen[token] == _mark)
                    continue;
                _seen[token] = _mark;
                values[token] = values[token] < 0 ? values[token] * penalty : values[token] / penalty;
            }
        }
    }
}
