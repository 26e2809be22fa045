using System.Numerics.Tensors;

namespace ChatGLM.Generation;

/// <summary>
/// Keeps the smallest set of best tokens whose probabilities reach p. As the reference computes it: adding up from the least likely
/// token, those go with which the sum is still at most 1 - p.
/// </summary>
internal sealed class TopPLogitsWarper(double topP, int minTokensToKeep = 1, Candidates? scratch = null) : LogitsProcessor
{
    // The keys' buckets end at the best score; see Candidates.
    private const float BucketSpan = 40;

    private readonly float _removed = (float)(1 - topP);
    private readonly Candidates _candidates = scratch ?? new Candidates();
    private TorchSort? _sort;

    public override void Process(InputIds inputIds, TokenScores scores)
    {
        for (var row = 0; row < scores.Rows; row++)
            Process(scores[row]);
    }

    private void Process(Span<float> scores)
    {
        _candidates.Gather(scores);
        if (_candidates.Count <= minTokensToKeep)
            return;
        _candidates.Scores.CopyTo(_candidates.Keys);
        var best = TensorPrimitives.Max(_candidates.Scores);
        var firstKept = _candidates.FirstPast(_removed, reaching: false, lowest: best - BucketSpan);
        firstKept = Math.Min(firstKept, _candidates.PlaceWith(_candidates.Count - minTokensToKeep));

        var cut = _candidates.KeyAt(firstKept);
        var removedAtCut = _candidates.CountEqualsBefore(firstKept);
        if (removedAtCut > 0)
            RemoveAmongEquals(scores, cut, removedAtCut);
        RowMath.RemoveBelow(scores, cut);
    }

    // How many of the equal scores go is clear; which ones, the reference leaves to its sort of the whole row.
    private void RemoveAmongEquals(Span<float> scores, float cut, int count)
    {
        _sort ??= new TorchSort();
        foreach (var token in _sort.Ascending(scores))
        {
            if (scores[token] != cut)
                continue;
            scores[token] = float.NegativeInfinity;
            if (--count == 0)
                return;
        }
    }
}
