using System.Buffers;
using System.Numerics.Tensors;

namespace ChatGLM.Generation;

/// <summary>
/// Beam search and beam sampling, as transformers' <c>BeamSearchScorer</c> keeps the books: several open sequences per prompt, of which
/// the best finished ones are returned.
/// </summary>
internal sealed class BeamSearch
{
    // Only the first beam of a prompt is open at the start: the others hold the same tokens and would be chosen with it.
    private const float Closed = -1e9f;

    private readonly IDecodingSession _session;
    private readonly GenerationPlan _plan;
    private readonly int _beams;
    private readonly int _prompts;
    private readonly TokenRows _ids;
    private readonly BeamHypotheses[] _hypotheses;
    private readonly bool[] _done;
    private readonly float[] _beamScores;
    private readonly int[] _nextTokens;
    private readonly int[] _nextRows;
    private readonly BeamCandidates _candidates;
    private readonly int[] _drawn;

    private BeamSearch(IDecodingSession session, GenerationPlan plan)
    {
        _session = session;
        _plan = plan;
        _beams = plan.Config.NumBeams;
        _prompts = session.Rows;
        session.SelectRows(GenerationPlan.Repeat(_prompts, _beams));
        _ids = new TokenRows(plan.Request.Prompts, _beams, plan.MaxLength);
        _hypotheses = [.. Enumerable.Range(0, _prompts).Select(_ =>
            new BeamHypotheses(_beams, plan.Config.LengthPenalty, plan.Config.EarlyStopping, plan.MaxLength))];
        _done = new bool[_prompts];
        _beamScores = new float[_ids.Rows];
        _nextTokens = new int[_ids.Rows];
        _nextRows = new int[_ids.Rows];
        // Even if every beam's best continuations are ends of sequence, enough others are left to go on with.
        var perBeam = plan.Config.DoSample ? 2 : Math.Max(2, 1 + plan.EosTokenIds.Length);
        _candidates = new BeamCandidates(checked(perBeam * _beams));
        _drawn = new int[2 * _beams];
    }

    public static GenerationResult Run(IDecodingSession session, GenerationPlan plan, CancellationToken cancellationToken)
    {
        var search = new BeamSearch(session, plan);
        var rented = ArrayPool<float>.Shared.Rent(checked(search._ids.Rows * session.VocabularySize));
        try
        {
            search.Run(rented.AsMemory(0, search._ids.Rows * session.VocabularySize), cancellationToken);
        }
        finally
        {
            ArrayPool<float>.Shared.Return(rented);
        }

        return search.Result();
    }

    private void Run(Memory<float> scores, CancellationToken cancellationToken)
    {
        if (!_plan.Config.DoSample)
        {
            for (var row = 0; row < _ids.Rows; row++)
                _beamScores[row] = row % _beams == 0 ? 0 : Closed;
        }

        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Score(new TokenScores(scores.Span, _session.VocabularySize));
            for (var prompt = 0; prompt < _prompts; prompt++)
                Advance(prompt, new TokenScores(scores.Span, _session.VocabularySize));
            _ids.Select(_nextRows);
            _ids.Append(_nextTokens);
            if (_ids.Length >= _plan.MaxLength || !_done.AsSpan().Contains(false))
                return;
            _session.SelectRows(_nextRows);
            _session.Step(_nextTokens, cancellationToken);
        }
    }

    /// <summary>The scores of every continuation: log-probability, processed, plus the beam's own score.</summary>
    private void Score(TokenScores scores)
    {
        for (var row = 0; row < scores.Rows; row++)
        {
            var logits = _session.Logits(row);
            RowMath.LogSoftmax(logits, scores[row]);
            if (float.IsNaN(scores[row][0]) && _plan.Processors.Count == 0)
                throw InvalidLogitsException.At(row, _ids.Length, logits);
        }

        _plan.Processors.Process(_ids.View, scores);
        for (var row = 0; row < scores.Rows; row++)
            TensorPrimitives.Add(scores[row], _beamScores[row], scores[row]);
        // After the beams' scores have been added, as the reference does it: a temperature divides those too.
        _plan.Warpers.Process(_ids.View, scores);
    }

    private void Advance(int prompt, TokenScores scores)
    {
        var first = prompt * _beams;
        Rank(prompt, scores);
        if (_done[prompt])
        {
            for (var beam = 0; beam < _beams; beam++)
                (_beamScores[first + beam], _nextTokens[first + beam], _nextRows[first + beam]) = (0, _plan.PadTokenId, first + beam);
            return;
        }

        var best = _candidates[0].Score;
        if (!float.IsFinite(best))
            throw InvalidLogitsException.At(first, _ids.Length, scores[first]);
        var open = 0;
        for (var rank = 0; rank < _candidates.Count && open < _beams; rank++)
        {
            var (score, beam, token) = _candidates[rank];
            if (_plan.IsEos(token))
            {
                // One that is not among the best as many as there are beams is not worth closing, and one that was ruled out (a draw can
                // come to it when fewer others have any probability) must not be.
                if (rank < _beams && score > float.NegativeInfinity)
                    _hypotheses[prompt].Add(_ids[first + beam], score, FinishReason.Stop);
                continue;
            }

            (_beamScores[first + open], _nextTokens[first + open], _nextRows[first + open]) = (score, token, first + beam);
            open++;
        }

        if (open < _beams)
            throw new InvalidLogitsException($"Only {open} of {_beams} beams of row {prompt} can go on at position {_ids.Length}: every other continuation is an end of sequence or ruled out.");
        _done[prompt] = _hypotheses[prompt].IsDone(best, _ids.Length + 1);
    }

    /// <summary>Fills the candidates of a prompt: the best continuations, or drawn ones, best first.</summary>
    private void Rank(int prompt, TokenScores scores)
    {
        var first = prompt * _beams;
        _candidates.Clear();
        if (!_plan.Config.DoSample)
        {
            for (var beam = 0; beam < _beams && !_done[prompt]; beam++)
                _candidates.OfferRow(scores[first + beam], beam);
            return;
        }

        // One distribution over the continuations of all beams. A finished prompt draws too: torch draws for the whole batch.
        var all = scores.Values.Slice(first * scores.VocabularySize, _beams * scores.VocabularySize);
        if (!float.IsFinite(TensorPrimitives.Max<float>(all)))
            throw InvalidLogitsException.At(first, _ids.Length, all);
        var rented = ArrayPool<float>.Shared.Rent(all.Length);
        var probabilities = rented.AsSpan(0, all.Length);
        RowMath.Softmax(all, probabilities);
        _plan.Random.Multinomial(probabilities, _drawn);
        ArrayPool<float>.Shared.Return(rented);
        foreach (var index in _drawn)
            _candidates.Offer(all[index], index / scores.VocabularySize, index % scores.VocabularySize);
    }

    private GenerationResult Result()
    {
        var returned = _plan.Config.NumReturnSequences;
        var best = new List<BeamHypotheses.Hypothesis>(_prompts * returned);
        for (var prompt = 0; prompt < _prompts; prompt++)
        {
            // Beams that were still open when the greatest length came compete with the finished ones.
            for (var beam = 0; beam < _beams && !_done[prompt]; beam++)
                _hypotheses[prompt].Add(_ids[prompt * _beams + beam], _beamScores[prompt * _beams + beam], FinishReason.Length);
            best.AddRange(_hypotheses[prompt].Best(returned));
        }

        // A finished hypothesis is kept without its end of sequence, which is put back where there is room.
        var length = Math.Min(best.Max(h => h.Tokens.Length) + 1, _plan.MaxLength);
        return new GenerationResult
        {
            Sequences = [.. best.Select(h => Padded(h, length))],
            SequencesScores = [.. best.Select(h => (float)h.Score)],
            FinishReasons = [.. best.Select(h => h.Reason)],
            PromptLength = _plan.PromptLength,
            PromptTokens = [.. Enumerable.Range(0, best.Count).Select(i => _plan.PromptLength - (_plan.Request.PaddingTokens?[i / returned] ?? 0))],
            CompletionTokens = [.. best.Select(h => h.Tokens.Length - _plan.PromptLength + (h.Reason == FinishReason.Stop && h.Tokens.Length < length ? 1 : 0))],
        };
    }

    private int[] Padded(BeamHypotheses.Hypothesis hypothesis, int length)
    {
        var sequence = new int[length];
        hypothesis.Tokens.CopyTo(sequence, 0);
        if (hypothesis.Tokens.Length < length)
        {
            sequence.AsSpan(hypothesis.Tokens.Length).Fill(_plan.PadTokenId);
            sequence[hypothesis.Tokens.Length] = _plan.EosTokenIds[0];
        }

        return sequence;
    }
}
