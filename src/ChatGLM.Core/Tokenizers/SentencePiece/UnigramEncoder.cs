namespace ChatGLM.Tokenizers.SentencePiece;

/// <summary>
/// Splits a text into the pieces of the highest total score (Viterbi), one pass from left to right. Scores are summed in float32 in the
/// order of the reference, so that a tie or a near tie falls the same way.
/// </summary>
internal sealed class UnigramEncoder : IPieceEncoder
{
    /// <summary>What an unknown character scores below the worst piece.</summary>
    private const float UnkPenalty = 10f;

    private readonly Vocabulary _vocabulary;

    /// <summary>The score by id; not a number for pieces that need a look at their type: user-defined and unused ones.</summary>
    private readonly float[] _plainScores;
    private readonly float _unkScore;
    private readonly float _maxScore;

    public UnigramEncoder(Vocabulary vocabulary)
    {
        _vocabulary = vocabulary;
        _plainScores = vocabulary.Scores.ToArray();
        var min = float.MaxValue;

        // The reference starts from the smallest positive float, which is then the "maximum" of the usual negative scores.
        var max = 1.17549435e-38f;
        for (var id = 0; id < vocabulary.Count; id++)
        {
            switch (vocabulary.TypeOf(id))
            {
                case PieceType.Normal:
                    min = Math.Min(min, _plainScores[id]);
                    max = Math.Max(max, _plainScores[id]);
                    break;
                case PieceType.UserDefined or PieceType.Unused:
                    _plainScores[id] = float.NaN;
                    break;
                default:
                    break;
            }
        }

        _unkScore = min - UnkPenalty;
        _maxScore = max;
    }

    /// <summary>The best path that ends at one byte: its last piece, where that starts, and the sum of scores.</summary>
    private struct PathEnd
    {
        public int Id;
        public int Start;
        public float Score;
    }

    public void Encode(ReadOnlySpan<byte> text, ref PooledList<Piece> output)
    {
        if (text.IsEmpty)
            return;
        using var scratch = new PooledList<PathEnd>(checked(text.Length + 1));
        var ends = scratch.Reserve(text.Length + 1)[..(text.Length + 1)];
        ends.Fill(new PathEnd { Start = -1 });
        var units = _vocabulary.Text.Units;
        ReadOnlySpan<float> scores = _plainScores;
        var root = units[ByteTrie.Root];
        for (var start = 0; start < text.Length;)
        {
            var before = ends[start].Score;
            var charBytes = Math.Min(Utf8.LengthOf(text[start]), text.Length - start);
            var hasCharPiece = false;
            var unit = root;
            for (var end = start; end < text.Length;)
            {
                if (!ByteTrie.TryStep(units, ref unit, text[end]))
                    break;
                end++;
                var id = ByteTrie.ValueOf(unit);
                if (id < 0)
                    continue;
                var candidate = (double)scores[id] + before;
                if (double.IsNaN(candidate) && !TryScoreSpecially(id, end - start, before, out candidate))
                    continue;
                ref var target = ref ends[end];
                if (target.Start < 0 || candidate > target.Score)
                    target = new PathEnd { Id = id, Start = start, Score = (float)candidate };
                hasCharPiece |= end - start == charBytes;
            }

            if (!hasCharPiece)
            {
                ref var target = ref ends[start + charBytes];
                var candidate = _unkScore + before;
                if (target.Start < 0 || candidate > target.Score)
                    target = new PathEnd { Id = _vocabulary.UnkId, Start = start, Score = candidate };
            }

            start += charBytes;
        }

        var first = output.Count;
        for (var end = text.Length; end > 0; end = ends[end].Start)
            output.Add(new Piece(ends[end].Id, ends[end].Start, end - ends[end].Start));
        output.Span[first..].Reverse();
    }

    private bool TryScoreSpecially(int id, int bytes, float before, out double candidate)
    {
        // A user-defined piece wins over any split of the same text; the sum is in float64 here, as in the reference.
        candidate = ((bytes * _maxScore) - 0.1) + before;
        return _vocabulary.TypeOf(id) == PieceType.UserDefined;
    }
}
