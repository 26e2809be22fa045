using ChatGLM.Generation;

namespace ChatGLM.Extensions.AI;

/// <summary>Lowers the score of every token that the answer holds already: once, and once more for every time. The prompt does not count. For one answer.</summary>
internal sealed class FrequencyPenaltyLogitsProcessor(float frequencyPenalty, float presencePenalty) : LogitsProcessor
{
    private readonly Dictionary<int, int> _counts = [];
    private int? _promptLength;

    public override void Process(InputIds inputIds, TokenScores scores)
    {
        // The first call comes before the first token of the answer.
        _promptLength ??= inputIds.Length;
        for (var row = 0; row < inputIds.Rows; row++)
        {
            _counts.Clear();
            foreach (var token in inputIds[row][_promptLength.Value..])
                _counts[token] = _counts.GetValueOrDefault(token) + 1;
            var rowScores = scores[row];
            foreach (var (token, count) in _counts)
            {
                if ((uint)token < (uint)rowScores.Length)
                    rowScores[token] -= presencePenalty + (frequencyPenalty * count);
            }
        }
    }
}
