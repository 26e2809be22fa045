using ChatGLM.Chat;
using ChatGLM.Generation;
using ChatGLM.Tensors;
using ChatGLM.Tokenizers;

namespace ChatGLM.Models;

/// <summary>
/// A conversation with its history and its cache: a turn reads only what is new since the last one. (ChatGLM-6B's context attends to itself in both directions, so there every turn reads all.)
/// One question at a time. Dispose it to give the cache back at once; an answer that is being made then ends.
/// </summary>
public sealed class ChatSession : IDisposable
{
    private readonly ChatGLMForConditionalGeneration _model;
    private readonly ChatGLMTokenizer _tokenizer;
    private KeyValueCache? _cache;
    private int[] _cachedIds = [];
    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _ending = new();
    private bool _isAnswering;
    private bool _isDisposed;

    internal ChatSession(ChatGLMForConditionalGeneration model, ChatGLMTokenizer tokenizer, ChatHistory history)
    {
        _model = model;
        _tokenizer = tokenizer;
        History = history;
    }

    /// <summary>The messages so far. A turn adds question and answer when the answer is complete; changing it by hand is fine.</summary>
    public ChatHistory History { get; }

    /// <summary>The last complete answer, with its counts; null before the first.</summary>
    public ChatResult? LastResult { get; private set; }

    /// <summary>The memory of the cache in bytes.</summary>
    public long CacheBytes => _cache?.ByteLength ?? 0;

    /// <summary>Answers.</summary>
    /// <param name="query">The question, or a tool's result.</param>
    /// <param name="options">How; null for the reference's chat options.</param>
    /// <param name="cancellationToken">Ends the answer; the history is then as before.</param>
    public ChatResult Chat(string query, ChatOptions? options = null, CancellationToken cancellationToken = default) => Answer(query, options ?? new ChatOptions(), null, cancellationToken);

    /// <summary>Answers on a worker thread.</summary>
    /// <inheritdoc cref="Chat"/>
    public Task<ChatResult> ChatAsync(string query, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
        Task.Run(() => Chat(query, options, cancellationToken), cancellationToken);

    /// <summary>Answers piece by piece, on a worker thread. A piece never ends inside a character; the pieces are the text as generated, <see cref="LastResult"/> then holds it processed.
    /// Ending the enumeration early ends the answer.</summary>
    /// <inheritdoc cref="Chat"/>
    public IAsyncEnumerable<string> StreamChatAsync(string query, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(query);
        return ChatGLMForConditionalGeneration.StreamAsync((emit, cancellation) => Answer(query, options ?? new ChatOptions(), emit, cancellation), cancellationToken);
    }

    /// <summary>Forgets history and cache.</summary>
    public void Clear()
    {
        Begin();
        try
        {
            History.Clear();
            DropCache();
            LastResult = null;
        }
        finally
        {
            End();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_isDisposed)
                return;
            _isDisposed = true;
            if (!_isAnswering)
                DropCache();
        }

        _ending.Cancel();
    }

    private ChatResult Answer(string query, ChatOptions options, Action<string>? emit, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(query);
        Begin();
        try
        {
            using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _ending.Token);
            return AnswerAlone(query, options, emit, either.Token);
        }
        catch (OperationCanceledException error) when (cancellationToken.IsCancellationRequested)
        {
            throw new OperationCanceledException(error.Message, error, cancellationToken); // the caller's token, not the one in between
        }
        finally
        {
            End();
        }
    }

    /// <summary>The cache is native memory: two answers at once, or one whose cache is given back under it, would write where others read.</summary>
    private void Begin()
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            if (_isAnswering)
                throw new InvalidOperationException("This session is still answering. Await the answer or end its stream first, or start another session for another conversation.");
            _isAnswering = true;
        }
    }

    private void End()
    {
        lock (_gate)
        {
            _isAnswering = false;
            if (_isDisposed)
                DropCache();
        }
    }

    private ChatResult AnswerAlone(string query, ChatOptions options, Action<string>? emit, CancellationToken cancellationToken)
    {
        using var scope = new TensorScope();
        var config = _model.Complete(options.Generation ?? _model.ChatGenerationConfig) with { EosTokenId = options.Generation?.EosTokenId ?? _tokenizer.ChatEosTokenIds };
        var ids = _tokenizer.BuildChatInput(query, History, options.Role);
        _model.RequireRoom(ids.Length);
        var known = KeepCommonPrefix(ids, config);
        var stream = emit is null ? null : new TokenTextStream(_tokenizer, config.EosTokenId, emit) { TrimsStart = !options.RawResponse };
        var call = new GenerationCall(ProcessorsOf(options), null, stream is null ? null : stream.Append, tokens => _tokenizer.Decode(tokens)) { Past = ids[..known] };
        GenerationResult result;
        try
        {
            result = _model.Generate(_model.PromptOf(ids.AsSpan(known)) with { PastKeyValues = _cache }, config, call, cancellationToken);
        }
        catch
        {
            // What was fed before the end is not known here; the prompt of the next turn is read afresh.
            DropCache();
            throw;
        }

        stream?.Flush();
        // The session has been fed all but the last token.
        _cachedIds = _cache is null ? [] : result.Sequences[0].AsSpan(0, _cache.TokenLength).ToArray();
        return Finish(query, options, config, result, known);
    }

    private ChatResult Finish(string query, ChatOptions options, GenerationConfig config, GenerationResult result, int known)
    {
        var text = TextGenerationResult.From(result, _tokenizer, config);
        var response = options.RawResponse
            ? new ChatResponse { Content = text.Text, Messages = [new ChatMessage(ChatRole.Assistant, text.Text)] }
            : _tokenizer.ProcessResponse(text.Text, History);
        History.Add(new ChatMessage(options.Role, query));
        History.AddRange(response.Messages);
        return LastResult = new ChatResult
        {
            Response = response,
            FinishReason = text.FinishReason,
            PromptTokens = text.PromptTokens,
            CachedTokens = known,
            CompletionTokens = text.CompletionTokens,
        };
    }

    /// <summary>Rewinds the cache to what it shares with a new prompt; at least one token is left to read, whose scores begin the answer.</summary>
    private int KeepCommonPrefix(int[] ids, GenerationConfig config)
    {
        // Beams multiply the rows of a cache, and it could not go back.
        if (!_model.CanContinueFromCache || config.NumBeams > 1 || config.NumReturnSequences > 1)
        {
            DropCache();
            return 0;
        }

        // Behind another prompt the same tokens have other keys.
        if (_cache is { Length: > 0 } && _cache.Prompt != _model.Prompt)
            DropCache();
        _cache ??= new KeyValueCache(_model.Config.NumLayers, _model.Backend, _model.CacheFormat);
        var common = Math.Min(ids.AsSpan().CommonPrefixLength(_cachedIds), ids.Length - 1);
        if (common <= 0)
        {
            _cache.Truncate(0);
            return 0;
        }

        _cache.Truncate(_cache.Prompt.Length + common);
        return common;
    }

    private List<LogitsProcessor> ProcessorsOf(ChatOptions options)
    {
        List<LogitsProcessor> processors = [.. options.Processors];
        if (options.GuardInvalidScores)
            processors.Add(new InvalidScoreLogitsProcessor(_model.InvalidScoreToken));
        return processors;
    }

    private void DropCache()
    {
        _cache?.Dispose();
        _cache = null;
        _cachedIds = [];
    }
}
