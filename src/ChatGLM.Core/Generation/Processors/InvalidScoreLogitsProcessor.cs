using System.Numerics;

namespace ChatGLM.Generation;

/// <summary>
/// ChatGLM's own guard in its chat methods: one NaN or infinity anywhere zeroes the scores of the whole batch and makes one token
/// certain. A score of minus infinity, a token that a processor before it ruled out, sets it off too: that is how the reference behaves,
/// which runs it after the configuration's own processors and before the sampling filters.
/// </summary>
internal sealed class InvalidScoreLogitsProcessor(int tokenId) : LogitsProcessor
{
    private const float Certain = 5e4f;

    public override void Process(InputIds inputIds, TokenScores scores)
    {
        if (AllFinite(scores.Values))
            return;
        scores.Values.Clear();
        for (var row = 0; row < scores.Rows; row++)
            scores[row][tokenId] = Certain;
    }

    private static bool AllFinite(ReadOnlySpan<float> values)
    {
        var at = 0;
        for (; at <= values.Length - Vector<float>.Count; at += Vector<float>.Count)
        {
            // NaN compares false with everything, so only a finite lane is within the largest float32.
            if (!Vector.LessThanOrEqualAll(Vector.Abs(new Vector<float>(values[at..])), new Vector<float>(float.MaxValue)))
                return false;
        }

        for (; at < values.Length; at++)
        {
            if (!float.IsFinite(values[at]))
                return false;
        }

        return true;
    }
}
