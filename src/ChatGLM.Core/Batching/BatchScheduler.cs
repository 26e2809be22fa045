using ChatGLM.Models;
using ChatGLM.Tensors;

namespace ChatGLM.Batching;

/// <summary>
/// Decides, step by step, who is answered and who waits: a step admits who there is room for, gives each sequence the rows that it gets, takes pages for them, and runs the passes
/// (iteration-level scheduling, Yu et al. 2022, Orca; pages, Kwon et al. 2023, vLLM). The oldest goes first in everything. Where pages run out, what is only kept for reuse goes, then the youngest answer
/// gives its pages back and waits, to be read again; so the oldest always gets on, and everybody ends. Used by one thread.
/// </summary>
internal sealed partial class BatchScheduler : IDisposable
{
    private readonly ChatGLMForConditionalGeneration _model;
    private readonly BatchingOptions _options;
    private readonly PagePool _pool;
    private readonly PrefixTree _prefixes;

    /// <summary>Both by rising order.</summary>
    private readonly List<BatchSequence> _running = [];
    private readonly List<BatchSequence> _waiting = [];

    public BatchScheduler(ChatGLMForConditionalGeneration model, BatchingOptions options)
    {
        options.Validate();
        _model = model;
        _options = options;
        var config = model.Config;
        var layout = new KeyValuePageLayout(config.NumLayers, config.KeyValueHeads, config.HeadDim, options.CacheFormat ?? model.CacheFormat);
        _pool = new PagePool(layout, CapacityOf(layout), model.Backend);
        _prefixes = new PrefixTree(_pool);
        _selection = new AdapterSelection(options.Adapters);
        var range = model.Backend.FewRowsRange;
        _fewRows = options.Reproducible && range.Most < int.MaxValue ? range : (1, int.MaxValue);
    }

    /// <summary>The tokens that there is room for.</summary>
    public int Capacity => _pool.Tokens;

    public PagePool Pool => _pool;

    public PrefixTree Prefixes => _prefixes;

    public IReadOnlyList<BatchSequence> Running => _running;

    public IReadOnlyList<BatchSequence> Waiting => _waiting;

    public BatchingStatistics Statistics => new()
    {
        Running = _running.Count,
        Waiting = _waiting.Count,
        CacheTokens = _pool.Tokens,
        UsedCacheTokens = _pool.Used * KeyValuePageLayout.Positions,
        IdleCacheTokens = _prefixes.Idle * KeyValuePageLayout.Positions,
        CacheBytes = _pool.Used * _pool.Layout.ByteLength,
        PrefilledTokens = _prefilled,
        ReusedTokens = _reused,
        GeneratedTokens = _generated,
        Passes = _passes,
        Preemptions = _preemptions,
    };

    /// <summary>Lines a request up.</summary>
    public void Add(BatchSequence sequence) => _waiting.Add(sequence);

    /// <summary>One step.</summary>
    /// <param name="stopping">Ends a pass before its next layer.</param>
    /// <returns>Whether there is more to do.</returns>
    public bool Step(CancellationToken stopping = default)
    {
        DropCancelled(_running);
        DropCancelled(_waiting);
        Admit();
        var work = Plan();
        foreach (var group in work.Where(item => item.Sequence.IsRunning).GroupBy(item => _selection.GroupOf(item.Sequence.Request.Adapter)).ToList())
        {
            if (stopping.IsCancellationRequested)
                break;
            Run([.. group], stopping);
        }

        return _running.Count + _waiting.Count > 0;
    }

    /// <summary>Ends every request.</summary>
    public void Fail(Func<BatchSequence, Exception> error)
    {
        foreach (var sequence in _running.Concat(_waiting).ToList())
            Fail(sequence, error(sequence));
    }

    /// <summary>Makes an adapter the selected one for work that is no request's.</summary>
    public void Select(string? adapter) => _selection.Select(adapter);

    /// <summary>Forgets which adapter is selected and how weights are held: somebody else may have changed it.</summary>
    public void ForgetSelection()
    {
        _selection.Forget();
        (_independence, _leastOfPrompt) = (null, null);
    }

    /// <summary>Gives up what is kept for reuse.</summary>
    public void ClearPrefixes() => _prefixes.Clear();

    /// <summary>Gives all pages back. Requests must have ended.</summary>
    public void Dispose() => _prefixes.Clear();

    private int CapacityOf(in KeyValuePageLayout layout)
    {
        if (_options.CacheTokens is { } given)
            return given / KeyValuePageLayout.Positions;
        var each = Math.Min(_model.Config.MaxPositions, 2048) + KeyValuePageLayout.Positions;
        var wanted = ((long)_options.MaxRequests + _options.ReusedRequests) * each / KeyValuePageLayout.Positions;
        var affordable = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 4 / layout.ByteLength;
        // One request of a fair length has to fit even so.
        return (int)Math.Max(Math.Min(wanted, affordable), KeyValuePageLayout.PagesOf(each));
    }

    private void DropCancelled(List<BatchSequence> sequences)
    {
        for (var i = sequences.Count - 1; i >= 0; i--)
        {
            if (sequences[i].Answer.Ending.IsCancellationRequested)
                Fail(sequences[i], new OperationCanceledException(sequences[i].Answer.CallerToken));
        }
    }

    private void Admit()
    {
        while (_running.Count < _options.MaxRequests && _waiting.Count > 0)
        {
            var sequence = _waiting[0];
            if (!sequence.WasAdmitted && !TryPrepare(sequence))
                continue;
            var found = FindPrefix(sequence);
            var needed = KeyValuePageLayout.PagesOf(sequence.Entries + 1) - found.Whole.Count;
            // What is found counts as idle until it is retained.
            if (_running.Count > 0 && _pool.Capacity - _pool.Used + _prefixes.Idle - found.Whole.Count(page => page.References == 1) < needed)
                return;
            _waiting.RemoveAt(0);
            TakePrefix(sequence, found);
            sequence.IsRunning = true;
            _running.Insert(_running.FindLastIndex(other => other.Order < sequence.Order) + 1, sequence);
        }
    }

    /// <summary>Finds out what only the model with the request's adapter can say.</summary>
    /// <returns>Whether the request can be answered; else it has failed.</returns>
    private bool TryPrepare(BatchSequence sequence)
    {
        try
        {
            _selection.SelectFor(sequence.Request.Adapter);
            sequence.Prompt = _model.Prompt;
            var virtualTokens = sequence.Prompt.TokenLength;
            var search = sequence.Search;
            if (virtualTokens > 0)
                _model.RequireRoom(search.PromptLength);
            if (sequence.PromptEntries >= Capacity)
                throw new PromptTooLongException(sequence.PromptEntries, Capacity, nameof(BatchingOptions.CacheTokens));
            search.MaxLength = Math.Min(search.MaxLength, Capacity - sequence.Prompt.Length);
            if (_model.Config is not ChatGLM6BConfig)
                search.MaxLength = Math.Min(search.MaxLength, _model.Config.MaxPositions - virtualTokens);
            sequence.WasAdmitted = true;
            return true;
        }
        catch (Exception error)
        {
            Fail(sequence, error);
            return false;
        }
    }

    private PrefixScope ScopeOf(BatchSequence sequence) =>
        new(sequence.Request.Adapter, sequence.Prompt, sequence.Positions.IsBidirectional ? sequence.Search.Ids[..sequence.Positions.Context].ToArray() : []);

    private (List<CachePage> Whole, CachePage? Part, int PartLength) FindPrefix(BatchSequence sequence)
    {
        if (!_options.ReusesPrefixes || !sequence.Request.ReusesPrefixes)
            return ([], null, 0);
        // The last entry is left to read: its scores are what is wanted.
        var found = _prefixes.Find(ScopeOf(sequence), sequence.ToEntries(Reproducible(sequence, sequence.Entries - 1)));
        return (found.Whole.Count * KeyValuePageLayout.Positions) + found.PartLength >= sequence.Prompt.Length ? found : ([], null, 0);
    }

    private void TakePrefix(BatchSequence sequence, (List<CachePage> Whole, CachePage? Part, int PartLength) found)
    {
        foreach (var page in found.Whole)
            sequence.Add(PagePool.Retain(page));
        sequence.Cached = found.Whole.Count * KeyValuePageLayout.Positions;
        if (found.Part is { } part)
        {
            // The next tokens are written into a copy: the page is others' too.
            PagePool.Retain(part);
            if (TryRent() is { } copy)
            {
                copy.Page.CopyFrom(part.Page);
                sequence.Add(copy);
                sequence.Cached += found.PartLength;
            }

            _pool.Release(part);
        }

        var reused = Math.Max(0, Math.Min(sequence.Cached, sequence.PromptEntries) - sequence.Prompt.Length);
        _reused += reused;
        if (sequence.Search.Ids.Length == sequence.Search.PromptLength)
            sequence.ReusedTokens = reused;
    }

    /// <summary>How many of a sequence's first entries have the bits that any other sequence would give them.</summary>
    private int Reproducible(BatchSequence sequence, int count) =>
        !_options.Reproducible || IsIndependent(sequence.Request.Adapter) ? count : Math.Min(count, sequence.PromptEntries);

    /// <summary>Lets others begin with what a sequence has read.</summary>
    private void Share(BatchSequence sequence)
    {
        if (_options.ReusesPrefixes && sequence.Request.ReusesPrefixes && sequence.WasAdmitted)
            _prefixes.Add(ScopeOf(sequence), sequence.ToEntries(Reproducible(sequence, sequence.Cached)), sequence.Pages);
    }

    private CachePage? TryRent()
    {
        while (true)
        {
            if (_pool.TryRent() is { } page)
                return page;
            if (!_prefixes.TryEvict())
                return null;
        }
    }

    /// <summary>Takes pages for entries to come, from others if need be.</summary>
    /// <returns>Whether the sequence has them; else it had to give its own back.</returns>
    private bool TryReserve(BatchSequence sequence, int entries)
    {
        while (sequence.Pages.Count < KeyValuePageLayout.PagesOf(entries))
        {
            if (TryRent() is { } page)
            {
                sequence.Add(page);
                continue;
            }

            var youngest = _running[^1];
            Preempt(youngest);
            if (youngest == sequence)
                return false;
        }

        return true;
    }

    private void Preempt(BatchSequence sequence)
    {
        _preemptions++;
        Share(sequence);
        sequence.ReleasePages(_pool);
        sequence.IsRunning = false;
        _running.Remove(sequence);
        // Before all who wait and came later.
        _waiting.Insert(_waiting.FindLastIndex(other => other.Order < sequence.Order) + 1, sequence);
    }

    private void Complete(BatchSequence sequence)
    {
        Leave(sequence, isSound: true);
        sequence.Answer.Complete(new BatchedResult(sequence.Search.ToResult(), sequence.ReusedTokens));
    }

    private void Fail(BatchSequence sequence, Exception error)
    {
        Leave(sequence, isSound: error is OperationCanceledException);
        sequence.Answer.Fail(error);
    }

    private void Leave(BatchSequence sequence, bool isSound)
    {
        if (isSound)
            Share(sequence);
        sequence.ReleasePages(_pool);
        sequence.IsRunning = false;
        if (!_running.Remove(sequence))
            _waiting.Remove(sequence);
    }
}
