using System.Collections.Concurrent;
using ChatGLM.Generation;
using ChatGLM.Models;
using ChatGLM.Tensors;

namespace ChatGLM.Batching;

/// <summary>
/// Answers many requests with one model at once (continuous batching): each step takes every answer one token further in as few passes through the model as there can be, requests join and leave at any
/// token, long prompts are read in pieces between the steps, and keys and values lie in pages that requests with the same beginning share. One thread owns the model; all members can be called from any.
/// Dispose it before the model.
/// </summary>
/// <example><code>
/// using var engine = new BatchingEngine(model);
/// var answers = prompts.Select(prompt => engine.Submit(new BatchRequest { PromptIds = tokenizer.Encode(prompt), Config = config })).ToList();
/// foreach (var answer in answers)
///     Console.WriteLine(tokenizer.Decode((await answer.Completion).Generation.Completion(0)));
/// </code></example>
public sealed class BatchingEngine : IDisposable, IAsyncDisposable
{
    private readonly ChatGLMForConditionalGeneration _model;
    private readonly BatchingOptions _options;
    private readonly BatchScheduler _scheduler;
    private readonly Thread _thread;
    private readonly AutoResetEvent _wake = new(false);
    private readonly CancellationTokenSource _stopping = new();
    private readonly TaskCompletionSource _stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ConcurrentQueue<BatchSequence> _arriving = new();
    private readonly ConcurrentQueue<Action> _work = new();
    private readonly Lock _gate = new();
    private volatile BatchingStatistics _statistics;
    private int _open;
    private long _order;
    private bool _isClosed;

    /// <summary>Starts the engine's thread.</summary>
    /// <param name="model">The model, in evaluation mode. Nothing else may use it meanwhile.</param>
    /// <param name="options">How; null for the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option cannot be used.</exception>
    public BatchingEngine(ChatGLMForConditionalGeneration model, BatchingOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        _model = model;
        _options = options ?? new BatchingOptions();
        _scheduler = new BatchScheduler(model, _options);
        _statistics = _scheduler.Statistics;
        _thread = new Thread(Run) { IsBackground = true, Name = "ChatGLM batching" };
        _thread.Start();
    }

    /// <summary>What the engine does and has done.</summary>
    public BatchingStatistics Statistics => _statistics;

    /// <summary>Lines a request up.</summary>
    /// <param name="request">The request.</param>
    /// <param name="cancellationToken">Ends the answer after the step that is under way.</param>
    /// <returns>The answer on its way; what goes wrong from now on comes out of it.</returns>
    /// <exception cref="BatchQueueFullException">Too many requests wait already.</exception>
    /// <exception cref="PromptTooLongException">The prompt fills the model's positions, or the room for keys and values.</exception>
    /// <exception cref="GenerationConfigException">An option cannot be used.</exception>
    /// <exception cref="ModelInputException">The prompt is none that the model understands.</exception>
    public BatchedGeneration Submit(BatchRequest request, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        cancellationToken.ThrowIfCancellationRequested();
        int[] prompt = [.. request.PromptIds];
        var search = CreateSearch(request, prompt);
        var positions = _model.PositionsOf(prompt);
        var answer = new BatchedGeneration(search.EosTokenIds, cancellationToken);
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isClosed, this);
            if (Volatile.Read(ref _open) >= _options.MaxRequests + (long)_options.MaxQueueLength)
                throw new BatchQueueFullException(_options.MaxQueueLength);
            Interlocked.Increment(ref _open);
            answer.Ended = () => Interlocked.Decrement(ref _open);
            _arriving.Enqueue(new BatchSequence(_order++, request, search.Search, positions, answer));
        }

        answer.Ending.Register(() => _wake.Set());
        _wake.Set();
        return answer;
    }

    /// <summary>Runs work that needs the model for itself, between two steps. All answers wait meanwhile.</summary>
    /// <param name="work">The work. It must not ask the engine for anything and wait for it.</param>
    /// <param name="adapter">The adapter to select before; null for none.</param>
    /// <param name="cancellationToken">Ends the wait; the work gets it too, joined with the end of the engine.</param>
    public Task<TResult> RunAsync<TResult>(Func<ChatGLMForConditionalGeneration, CancellationToken, TResult> work, string? adapter = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(work);
        var done = new TaskCompletionSource<TResult>(TaskCreationOptions.RunContinuationsAsynchronously);
        // Whoever waits no longer is let go at once, whatever the engine is doing.
        var waiting = cancellationToken.Register(() => done.TrySetCanceled(cancellationToken));
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isClosed, this);
            _work.Enqueue(Work);
        }

        _wake.Set();
        return done.Task;

        void Work()
        {
            waiting.Dispose();
            if (done.Task.IsCompleted)
                return;
            using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _stopping.Token);
            try
            {
                ending.Token.ThrowIfCancellationRequested();
                using var scope = new TensorScope();
                _scheduler.Select(adapter);
                done.TrySetResult(work(_model, ending.Token));
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                done.TrySetCanceled(cancellationToken);
            }
            catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
            {
                done.TrySetException(new ObjectDisposedException(nameof(BatchingEngine)));
            }
            catch (Exception error)
            {
                done.TrySetException(error);
            }
            finally
            {
                _scheduler.ForgetSelection();
            }
        }
    }

    /// <summary>Forgets the keys and values that are kept for reuse: to be called when an adapter's numbers, or the model's, have changed.</summary>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task ClearPrefixesAsync(CancellationToken cancellationToken = default) => RunAsync(
        (_, _) =>
        {
            _scheduler.ClearPrefixes();
            return true;
        },
        null,
        cancellationToken);

    /// <summary>Ends all answers with an <see cref="ObjectDisposedException"/>, waits for the step that is under way, and gives the memory back.</summary>
    public void Dispose() => DisposeAsync().AsTask().GetAwaiter().GetResult();

    /// <inheritdoc cref="Dispose"/>
    public async ValueTask DisposeAsync()
    {
        bool isFirst;
        lock (_gate)
            (isFirst, _isClosed) = (!_isClosed, true);
        if (isFirst)
        {
            await _stopping.CancelAsync().ConfigureAwait(false);
            _wake.Set();
        }

        await _stopped.Task.ConfigureAwait(false);
    }

    private (SequenceSearch Search, IReadOnlyList<int> EosTokenIds) CreateSearch(BatchRequest request, int[] prompt)
    {
        var config = _model.Complete(request.Config);
        if (config.NumBeams > 1 || config.NumReturnSequences > 1)
            throw new GenerationConfigException(config.NumBeams > 1 ? "num_beams" : "num_return_sequences", "A batch of requests has one sequence for each, without beams. Submit a prompt several times, or call the model's Generate.");
        if (request.Adapter is not null && _options.Adapters is null)
            throw new ArgumentException($"The request asks for the adapter '{request.Adapter}', and the engine has none ({nameof(BatchingOptions)}.{nameof(BatchingOptions.Adapters)}).", nameof(request));
        if (prompt.Length == 0)
            throw new ModelInputException(nameof(request.PromptIds), "the prompt has no tokens, expected at least one.");
        for (var i = 0; i < prompt.Length; i++)
        {
            if ((uint)prompt[i] >= (uint)_model.Config.VocabularySize)
                throw new TokenIdOutOfRangeException(prompt[i], 0, i, _model.Config.VocabularySize);
        }

        // Virtual tokens of an adapter are counted when it is selected.
        if (prompt.Length >= _model.Config.MaxPositions)
            _model.RequireRoom(prompt.Length);
        if (prompt.Length >= _scheduler.Capacity)
            throw new PromptTooLongException(prompt.Length, _scheduler.Capacity, nameof(BatchingOptions.CacheTokens));
        var plan = new GenerationPlan(1, prompt.Length, _model.Config.VocabularySize, new GenerationRequest
        {
            Prompts = [prompt],
            Config = _model.Limit(config, prompt.Length),
            Processors = request.Processors,
            Decoder = request.Tokenizer is { } tokenizer ? tokens => tokenizer.Decode(tokens) : null,
        });
        return (new SequenceSearch(plan, _model.Config.VocabularySize), plan.EosTokenIds);
    }

    private void Run()
    {
        while (!_stopping.IsCancellationRequested)
        {
            var more = false;
            try
            {
                while (_work.TryDequeue(out var work))
                    work();
                while (_arriving.TryDequeue(out var sequence))
                    _scheduler.Add(sequence);
                more = _scheduler.Step(_stopping.Token);
            }
            catch (Exception error)
            {
                // Nothing here is expected to fail; if it does, nobody must wait for ever.
                _scheduler.Fail(_ => error);
            }

            _statistics = _scheduler.Statistics;
            if (!more && _work.IsEmpty && _arriving.IsEmpty)
                _wake.WaitOne();
        }

        // Nothing arrives any more.
        while (_arriving.TryDequeue(out var sequence))
            _scheduler.Add(sequence);
        _scheduler.Fail(sequence => sequence.Answer.Ending.IsCancellationRequested
            ? new OperationCanceledException(sequence.Answer.CallerToken)
            : new ObjectDisposedException(nameof(BatchingEngine)));
        while (_work.TryDequeue(out var work))
            work();
        _scheduler.Dispose();
        _statistics = _scheduler.Statistics;
        _stopped.SetResult();
    }
}
