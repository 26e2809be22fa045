using System.Diagnostics.Metrics;
using ChatGLM.Batching;
using ChatGLM.Models;
using ChatGLM.Tokenizers;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace ChatGLM.Extensions.AI;

/// <summary>
/// One model for many clients and requests. It loads at the first request, answers up to <see cref="ChatGLMOptions.MaxConcurrentRequests"/> at once with all its threads
/// (<see cref="ChatGLM.Batching.BatchingEngine"/>), lets the others in in the order in which they came, and refuses what is beyond <see cref="ChatGLMOptions.MaxQueueLength"/>. Safe for use from several
/// threads. Disposing it ends the requests under way and gives the memory back.
/// </summary>
public sealed class SharedModel : IDisposable, IAsyncDisposable
{
    private readonly RequestQueue _queue;
    private readonly SemaphoreSlim _loading = new(1);
    private readonly CancellationTokenSource _disposing = new();
    private readonly Lazy<Task> _disposed;
    private volatile LoadedModel? _loaded;

    /// <summary>Describes a model that loads at its first request.</summary>
    /// <param name="options">Where the model is, and how it answers. Not to be changed afterwards.</param>
    /// <param name="loggers">Told about loading and requests; null for nobody.</param>
    /// <param name="meters">Where the meter comes from; null for one of its own.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">A field has a value that cannot be used.</exception>
    public SharedModel(ChatGLMOptions options, ILoggerFactory? loggers = null, IMeterFactory? meters = null)
        : this(options, null, loggers, meters)
    {
    }

    /// <summary>Shares a model that is loaded already. It stays the caller's to dispose, after this.</summary>
    /// <param name="model">The model. Nothing else may use it meanwhile.</param>
    /// <param name="tokenizer">The tokenizer of the same snapshot.</param>
    /// <param name="options">How it answers; null for the defaults. What says how to load is not looked at.</param>
    /// <param name="loggers">Told about requests; null for nobody.</param>
    /// <param name="meters">Where the meter comes from; null for one of its own.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">A field has a value that cannot be used.</exception>
    public SharedModel(
        ChatGLMForConditionalGeneration model, ChatGLMTokenizer tokenizer, ChatGLMOptions? options = null, ILoggerFactory? loggers = null, IMeterFactory? meters = null)
        : this(
            options ??= new ChatGLMOptions(),
            new LoadedModel(NotNull(model), NotNull(tokenizer), options, ownsModel: false),
            loggers,
            meters)
    {
    }

    private SharedModel(ChatGLMOptions options, LoadedModel? loaded, ILoggerFactory? loggers, IMeterFactory? meters)
    {
        ArgumentNullException.ThrowIfNull(options);
        ChatGLMOptionsValidator.ThrowIfInvalid(options, requiresModel: loaded is null);
        Options = options;
        ModelId = options.ModelId is null && options.Model is null && loaded?.Tokenizer.NameOrPath is { Length: > 0 } name ? name : options.Name;
        _loaded = loaded;
        _queue = new RequestQueue(ModelId, options.MaxQueueLength, options.MaxConcurrentRequests);
        Logger = (loggers ?? NullLoggerFactory.Instance).CreateLogger<SharedModel>();
        ModelIds = [ModelId, .. options.Adapters];
        Telemetry = new Telemetry(meters);
        Telemetry.ObserveQueue(ModelId, () => _queue.Length);
        Telemetry.ObserveBatch(ModelId, () => Statistics);
        _disposed = new Lazy<Task>(DisposeOnceAsync);
    }

    /// <summary>The name under which requests and telemetry know the model.</summary>
    public string ModelId { get; }

    /// <summary>The names that requests may ask for: <see cref="ModelId"/> for the model without an adapter, then its adapters.</summary>
    public IReadOnlyList<string> ModelIds { get; }

    /// <summary>Whether the model is in memory.</summary>
    public bool IsLoaded => _loaded is not null;

    /// <summary>The requests that wait for their turn, without those that have it.</summary>
    public int QueueLength => _queue.Length;

    /// <summary>What the engine does and has done; null while the model is not in memory.</summary>
    public BatchingStatistics? Statistics => _loaded?.Engine.Statistics;

    internal ChatGLMOptions Options { get; }

    internal ILogger Logger { get; }

    internal Telemetry Telemetry { get; }

    /// <summary>Loads the model before anybody asks, such as at the start of a server.</summary>
    /// <param name="cancellationToken">Ends the wait, or the loading between two tensors.</param>
    public Task LoadAsync(CancellationToken cancellationToken = default) => RunAsync((_, _) => true, null, null, cancellationToken);

    /// <summary>Runs work that has the model to itself, on the model's thread, when its turn comes: between two tokens of the answers under way, which wait for it.</summary>
    /// <param name="work">The work. It must not ask for the model again, which would wait for itself, and must not keep it.</param>
    /// <param name="cancellationToken">Ends the wait; the work gets it too, joined with the end of this object.</param>
    /// <exception cref="ModelBusyException">Too many requests wait already.</exception>
    public Task<TResult> RunAsync<TResult>(Func<ChatGLMForConditionalGeneration, ChatGLMTokenizer, CancellationToken, TResult> work, CancellationToken cancellationToken = default) =>
        RunAsync(null, work, cancellationToken);

    /// <summary>Runs work that has the model to itself, with one of its adapters.</summary>
    /// <param name="modelId">One of <see cref="ModelIds"/>; null for <see cref="ModelId"/>.</param>
    /// <param name="work">The work. It must not ask for the model again, which would wait for itself, and must not keep it.</param>
    /// <param name="cancellationToken">Ends the wait; the work gets it too, joined with the end of this object.</param>
    /// <exception cref="UnsupportedOptionException">There is no such model.</exception>
    /// <exception cref="ModelBusyException">Too many requests wait already.</exception>
    public Task<TResult> RunAsync<TResult>(
        string? modelId, Func<ChatGLMForConditionalGeneration, ChatGLMTokenizer, CancellationToken, TResult> work, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(work);
        return RunAsync((loaded, cancellation) => work(loaded.Model, loaded.Tokenizer, cancellation), modelId, null, cancellationToken);
    }

    /// <summary>Forgets the keys and values that are kept for reuse: to be called when an adapter's numbers have changed.</summary>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task ClearCacheAsync(CancellationToken cancellationToken = default) => TakeTurnAsync(
        isExclusive: true,
        async (loaded, _, cancellation) =>
        {
            await loaded.Engine.ClearPrefixesAsync(cancellation).ConfigureAwait(false);
            return true;
        },
        null,
        null,
        cancellationToken);

    /// <inheritdoc/>
    public void Dispose() => _disposed.Value.GetAwaiter().GetResult();

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => new(_disposed.Value);

    /// <exception cref="UnsupportedOptionException">There is no such model.</exception>
    internal string Resolve(string? modelId) => modelId is null ? ModelId : ModelIds.Contains(modelId)
        ? modelId
        : throw new UnsupportedOptionException(nameof(Microsoft.Extensions.AI.ChatOptions.ModelId), $"'{modelId}'", $"{string.Join(", ", ModelIds.Select(id => $"'{id}'"))} or null");

    /// <summary>Runs work that has the model to itself.</summary>
    internal Task<TResult> RunAsync<TResult>(Func<LoadedModel, CancellationToken, TResult> work, string? modelId, Telemetry.Operation? operation, CancellationToken cancellationToken) => TakeTurnAsync(
        isExclusive: true,
        (loaded, adapter, cancellation) => loaded.Engine.RunAsync((_, either) => work(loaded, either), adapter, cancellation),
        modelId,
        operation,
        cancellationToken);

    /// <summary>Writes an answer, beside others.</summary>
    /// <param name="answer">Gets the model and the adapter to answer with.</param>
    /// <param name="modelId">The model or adapter asked for.</param>
    /// <param name="operation">What is measured.</param>
    /// <param name="cancellationToken">Ends the wait or the answer.</param>
    internal Task AnswerAsync(Func<LoadedModel, string?, CancellationToken, Task> answer, string? modelId, Telemetry.Operation operation, CancellationToken cancellationToken) => TakeTurnAsync(
        isExclusive: false,
        async (loaded, adapter, cancellation) =>
        {
            await answer(loaded, adapter, cancellation).ConfigureAwait(false);
            return true;
        },
        modelId,
        operation,
        cancellationToken);

    private async Task<TResult> TakeTurnAsync<TResult>(
        bool isExclusive, Func<LoadedModel, string?, CancellationToken, Task<TResult>> work, string? modelId, Telemetry.Operation? operation, CancellationToken cancellationToken)
    {
        var adapter = Resolve(modelId) is var name && name == ModelId ? null : name;
        await _queue.EnterAsync(isExclusive, cancellationToken).ConfigureAwait(false);
        try
        {
            operation?.TurnBegins();
            using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _disposing.Token);
            // The caller's thread is not to load a model or to read a long prompt's text.
            return await Task.Run(async () => await work(await LoadedAsync(ending.Token).ConfigureAwait(false), adapter, ending.Token).ConfigureAwait(false), ending.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (_disposing.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new ObjectDisposedException(nameof(SharedModel));
        }
        catch (OperationCanceledException error) when (cancellationToken.IsCancellationRequested && error.CancellationToken != cancellationToken)
        {
            throw new OperationCanceledException(error.Message, error, cancellationToken); // the caller's token, not the one in between
        }
        finally
        {
            _queue.Leave(isExclusive);
        }
    }

    private async Task<LoadedModel> LoadedAsync(CancellationToken cancellationToken)
    {
        if (_loaded is { } loaded)
            return loaded;
        await _loading.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return _loaded ??= Load(cancellationToken);
        }
        finally
        {
            _loading.Release();
        }
    }

    private LoadedModel Load(CancellationToken cancellationToken)
    {
        Log.Loading(Logger, ModelId, Options.Model!);
        ChatGLMForConditionalGeneration? model = null;
        try
        {
            var how = Options.ToModelOptions();
            how = (Options.ConfigureModel?.Invoke(how) ?? how) with { CancellationToken = cancellationToken };
            model = AutoModel.FromPretrained(Options.Model!, how.Logger is null ? how with { Logger = Logger } : how);
            var tokenizer = AutoTokenizer.FromPretrained(
                Options.Model!, new TokenizerOptions { Revision = how.Revision, CacheDir = how.CacheDir, LocalFilesOnly = how.LocalFilesOnly, Hub = how.Hub });
            Options.PrepareModel?.Invoke(model);
            Log.Loaded(Logger, ModelId, (model.LoadReport?.Bytes ?? 0) / 1e6, model.LoadReport?.Seconds ?? 0);
            return new LoadedModel(model, tokenizer, Options, ownsModel: true);
        }
        catch (Exception error)
        {
            model?.Dispose();
            if (error is not OperationCanceledException)
                Log.LoadFailed(Logger, error, ModelId);
            throw;
        }
    }

    private async Task DisposeOnceAsync()
    {
        var idle = _queue.CloseAsync();
        await _disposing.CancelAsync().ConfigureAwait(false);
        await idle.ConfigureAwait(false);
        _loaded?.Dispose();
        _loading.Dispose();
        Telemetry.Dispose();
    }

    private static T NotNull<T>(T value, [System.Runtime.CompilerServices.CallerArgumentExpression(nameof(value))] string? name = null)
        where T : class
    {
        ArgumentNullException.ThrowIfNull(value, name);
        return value;
    }
}
