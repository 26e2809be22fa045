namespace ChatGLM.Generation;

/// <summary>Keeps the k best tokens of each row, and whatever ties with the last of them.</summary>
internal sealed class TopKLogitsWarper(int topK, int minTokensToKeep = 1) : LogitsProcessor
{
    private readonly int _topK = Math.Max(topK, minTokensToKeep);
    private float[] _heap = [];

    public override void Process(InputIds inputIds, TokenScores scores)
    {
        var kept = Math.Min(_topK, scores.VocabularySize);
        if (_heap.Length < kept)
            _heap = new float[kept];
        for (var row = 0; row < scores.Rows; row++)
            RowMath.RemoveBelow(scores[row], RowMath.KthLargest(scores[row], kept, _heap));
    }
}
