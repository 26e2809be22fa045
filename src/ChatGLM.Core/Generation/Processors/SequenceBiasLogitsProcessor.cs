namespace ChatGLM.Generation;

/// <summary>Adds a bias to the token that would complete a sequence. The biases that meet on one token are added up before they are added to it.</summary>
internal class SequenceBiasLogitsProcessor : LogitsProcessor
{
    private readonly (int Token, float Single, (int[] Before, float Bias)[] Longer)[] _byLastToken;

    public SequenceBiasLogitsProcessor(IEnumerable<(int[] Tokens, float Bias)> sequences)
    {
        // A sequence given twice counts once, with its last bias, as in a Python dictionary.
        var distinct = new List<(int[] Tokens, float Bias)>();
        foreach (var sequence in sequences)
        {
            var known = distinct.FindIndex(d => d.Tokens.AsSpan().SequenceEqual(sequence.Tokens));
            if (known < 0)
                distinct.Add(sequence);
            else
                distinct[known] = sequence;
        }

        _byLastToken = distinct.GroupBy(s => s.Tokens[^1]).Select(group => (
            group.Key,
            group.Where(s => s.Tokens.Length == 1).Select(s => s.Bias).FirstOrDefault(),
            group.Where(s => s.Tokens.Length > 1).Select(s => (s.Tokens[..^1], s.Bias)).ToArray())).ToArray();
    }

    public override void Process(InputIds inputIds, TokenScores scores)
    {
        for (var row = 0; row < scores.Rows; row++)
        {
            var ids = inputIds[row];
            var values = scores[row];
            foreach (var (token, single, longer) in _byLastToken)
            {
                var bias = single;
                foreach (var (before, more) in longer)
                {
                    // The reference leaves out a sequence that is as long as the text so far would become.
                    if (before.Length < ids.Length && ids.EndsWith(before))
                        bias += more;
                }

                values[token] += bias;
            }
        }
    }
}
