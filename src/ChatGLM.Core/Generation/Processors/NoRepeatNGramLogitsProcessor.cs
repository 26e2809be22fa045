namespace ChatGLM.Generation;

/// <summary>Rules out every token that would complete an n-gram that the row already holds.</summary>
internal sealed class NoRepeatNGramLogitsProcessor(int ngramSize) : LogitsProcessor
{
    public override void Process(InputIds inputIds, TokenScores scores)
    {
        for (var row = 0; row < scores.Rows; row++)
        {
            var ids = inputIds[row];
            if (ids.Length + 1 < ngramSize)
                continue;
            var values = scores[row];
            var end = ids[(ids.Length + 1 - ngramSize)..];
            for (var start = 0; start + ngramSize <= ids.Length; start++)
            {
                if (ids.Slice(start, ngramSize - 1).SequenceEqual(end))
                    values[ids[start + ngramSize - 1]] = float.NegativeInfinity;
            }
        }
    }
}
