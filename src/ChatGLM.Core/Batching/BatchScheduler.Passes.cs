using ChatGLM.Models;
using ChatGLM.Tensors;

namespace ChatGLM.Batching;

/// <content>The rows of a step, and the passes that they go through the model in.</content>
internal sealed partial class BatchScheduler
{
    private readonly AdapterSelection _selection;

    /// <summary>The numbers of rows within which a row's bits do not hang on the number; 1 and the largest number where nobody asks.</summary>
    private readonly (int Least, int Most) _fewRows;

    private (bool Layers, bool Head)? _independence;
    private int? _leastOfPrompt;
    private float[] _logits = [];
    private long _prefilled;
    private long _reused;
    private long _generated;
    private long _passes;
    private long _preemptions;

    /// <summary>Who gets how many rows in this step, oldest first, with pages for them.</summary>
    private List<(BatchSequence Sequence, int Rows)> Plan()
    {
        var work = new List<(BatchSequence, int)>();
        // While nobody waits for a token, the weights are read once for more of the prompts.
        var most = _running.Any(IsAnswering) ? _options.PrefillTokens : (int)Math.Min(8L * _options.PrefillTokens, int.MaxValue);
        var budget = most;
        foreach (var sequence in _running.ToList())
        {
            if (!sequence.IsRunning)
                continue; // gave its pages to an older one
            var rows = RowsOf(sequence, budget, isFirst: budget == most);
            var at = Math.Max(sequence.Cached, sequence.Prompt.KeyLength);
            if (rows == 0 || !TryReserve(sequence, at + rows))
                continue;
            if (at < sequence.PromptEntries)
                budget = Math.Max(0, budget - rows); // a context that is read whole may need more
            work.Add((sequence, rows));
        }

        return work;
    }

    /// <summary>Whether its prompt has been read.</summary>
    private static bool IsAnswering(BatchSequence sequence) => Math.Max(sequence.Cached, sequence.Prompt.KeyLength) >= sequence.PromptEntries;

    private int RowsOf(BatchSequence sequence, int budget, bool isFirst)
    {
        var at = Math.Max(sequence.Cached, sequence.Prompt.KeyLength);
        // Generated tokens: one, or those that have to be read again.
        if (at >= sequence.PromptEntries)
            return Math.Min(sequence.Entries - at, Math.Min(_fewRows.Most, _options.PrefillTokens));
        var left = sequence.PromptEntries - at;
        var whole = sequence.ContextEntries - at;
        if (whole <= 0 || whole <= budget)
            return Math.Min(left, budget);
        // A context that is read whole waits for a step in which it comes first; what little follows it comes along.
        return isFirst ? Math.Min(left, whole + KeyValuePageLayout.Positions) : 0;
    }

    /// <summary>Whether a row's bits do not hang on the rows beside it, with a given adapter.</summary>
    private bool IsIndependent(string? adapter)
    {
        // Where no adapter can be asked for, layers that somebody wrapped compute with weights that cannot be seen from here.
        _independence ??= _model.RowsAreIndependent(seesWrappedLayers: _selection.HasAdapters);
        return _independence.Value.Layers && adapter is null;
    }

    private int LeastOfPrompt => _leastOfPrompt ??= _fewRows.Most == int.MaxValue ? 1 : _model.LeastManyRows;

    private bool HeadIsIndependent => (_independence ??= _model.RowsAreIndependent(seesWrappedLayers: _selection.HasAdapters)).Head;

    private void Run(List<(BatchSequence Sequence, int Rows)> work, CancellationToken stopping)
    {
        try
        {
            _selection.SelectFor(work[0].Sequence.Request.Adapter);
        }
        catch (Exception error)
        {
            work.ForEach(item => Fail(item.Sequence, error));
            return;
        }

        foreach (var pass in Cut(work))
            Run(pass, stopping);
    }

    /// <summary>Passes of rows that may go together: prompts, and generated tokens in as many passes as their number needs.</summary>
    private List<PassRows> Cut(List<(BatchSequence Sequence, int Rows)> work)
    {
        var passes = new List<PassRows>();
        PassRows? prompts = null;
        foreach (var (sequence, rows) in work)
        {
            var isPrompt = !IsAnswering(sequence);
            var isFree = _fewRows.Most == int.MaxValue || IsIndependent(null);
            var adapter = sequence.Request.Adapter;
            // Rows of an adapter that is selected for the whole pass are all of the pass.
            var isBound = _fewRows.Most < int.MaxValue && !IsIndependent(adapter);
            if (isPrompt)
            {
                prompts ??= new PassRows(_fewRows, LeastOfPrompt);
                prompts.Add(sequence, rows, isFree, isBound);
                continue;
            }

            var pass = passes.Find(p => p.Fits(sequence, rows, isFree, isBound));
            if (pass is null)
                passes.Add(pass = new PassRows(_fewRows));
            pass.Add(sequence, rows, isFree, isBound);
        }

        if (prompts is not null)
            passes.Add(prompts);
        return passes;
    }

    private void Run(PassRows pass, CancellationToken stopping)
    {
        // One alone need not end its layer for others.
        var cancellationToken = pass.Items.Count == 1 && pass.Items[0].Sequence.Answer.Ending is { CanBeCanceled: true } own ? own : stopping;
        var wanted = new List<BatchSequence>();
        try
        {
            using var scope = new TensorScope();
            foreach (var (sequence, _) in pass.Items)
            {
                if (sequence.Cached < sequence.Prompt.KeyLength)
                {
                    _model.WritePrompt(sequence.Prompt.Keys!, _pool.Layout, sequence.PageViews);
                    sequence.Cached = sequence.Prompt.KeyLength;
                }
            }

            var inputs = Describe(pass, wanted, cancellationToken);
            var scores = checked(wanted.Count * _model.Config.VocabularySize);
            if (_logits.Length < scores)
                _logits = new float[scores];
            using var route = _selection.Route(pass.AdapterOfRow);
            _model.Forward(inputs, _logits);
            _passes++;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return; // nothing has moved; the next step, or the end, sees to it
        }
        catch (Exception error)
        {
            foreach (var (sequence, _) in pass.Items)
                Fail(sequence, error);
            return;
        }

        foreach (var (sequence, rows) in pass.Items)
            Advance(sequence, rows);
        for (var i = 0; i < wanted.Count; i++)
            Answer(wanted[i], _logits.AsSpan(i * _model.Config.VocabularySize, _model.Config.VocabularySize));
    }

    private PagedPass Describe(PassRows pass, List<BatchSequence> wanted, CancellationToken cancellationToken)
    {
        var sections = _model.PositionSections;
        var rows = pass.Rows;
        var (ids, positions) = (new long[rows], new long[rows * sections]);
        var sequences = new List<PagedSequence>();
        var virtualTokens = new List<(int, EmbeddingPrompt, int, int)>();
        var wantedRows = new List<int>();
        var row = 0;
        foreach (var (sequence, count) in pass.Items)
        {
            var (start, lead) = (sequence.Cached, sequence.Prompt.Length);
            sequences.Add(new PagedSequence(row, count, start, Math.Min(sequence.ContextEntries, start + count), sequence.PageViews));
            if (start < lead)
                virtualTokens.Add((row, sequence.Prompt.Tokens!, start - sequence.Prompt.KeyLength, Math.Min(count, lead - start)));
            for (var i = 0; i < count; i++, row++)
            {
                var token = start + i - lead;
                if (token >= 0)
                    ids[row] = sequence.Search.Ids[token];
                sequence.Positions.Write(token, sequence.Prompt.TokenLength, positions.AsSpan(row * sections, sections));
            }

            if (start + count == sequence.Entries)
            {
                wantedRows.Add(row - 1);
                wanted.Add(sequence);
            }
        }

        return new PagedPass
        {
            Ids = ids,
            Positions = positions,
            Batch = new PagedBatch(rows, _pool.Layout, sequences.ToArray()),
            VirtualTokens = virtualTokens,
            Wanted = [.. wantedRows],
            IsReproducible = _fewRows.Most < int.MaxValue && !HeadIsIndependent,
            CancellationToken = cancellationToken,
        };
    }

    private void Advance(BatchSequence sequence, int rows)
    {
        var before = sequence.Cached;
        sequence.Cached += rows;
        _prefilled += Math.Max(0, Math.Min(sequence.Cached, sequence.PromptEntries) - Math.Max(before, sequence.Prompt.Length));
        // Whole pages do not change any more; the last page of a prompt does, behind what others take from it.
        if (before / KeyValuePageLayout.Positions != sequence.Cached / KeyValuePageLayout.Positions || (before < sequence.PromptEntries && sequence.Cached >= sequence.PromptEntries))
            Share(sequence);
    }

    private void Answer(BatchSequence sequence, ReadOnlySpan<float> logits)
    {
        try
        {
            var token = sequence.Search.Next(logits);
            _generated++;
            sequence.Answer.Write(token);
        }
        catch (Exception error)
        {
            Fail(sequence, error);
            return;
        }

        if (sequence.Search.Finished is not null)
            Complete(sequence);
    }
}
