using System.Runtime.CompilerServices;
using System.Threading.Channels;
using ChatGLM.Tokenizers;

namespace ChatGLM.Batching;

/// <summary>One answer on its way. The engine does not wait for whoever reads it.</summary>
public sealed class BatchedGeneration
{
    private readonly Channel<int> _tokens = Channel.CreateUnbounded<int>(new UnboundedChannelOptions { SingleWriter = true });
    private readonly TaskCompletionSource<BatchedResult> _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly IReadOnlyList<int> _eosTokenIds;
    private readonly CancellationTokenSource _ending;

    internal BatchedGeneration(IReadOnlyList<int> eosTokenIds, CancellationToken cancellationToken)
    {
        _eosTokenIds = eosTokenIds;
        CallerToken = cancellationToken;
        _ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Ending = _ending.Token;
    }

    /// <summary>The whole answer; faulted if the request failed, cancelled if it was cancelled.</summary>
    public Task<BatchedResult> Completion => _completion.Task;

    /// <summary>Called once, just before the answer is complete.</summary>
    internal Action? Ended { get; set; }

    internal CancellationToken CallerToken { get; }

    /// <summary>Cancelled when nobody wants the answer any more.</summary>
    internal CancellationToken Ending { get; }

    /// <summary>The generated tokens as they come, the end of sequence included. To be read once.</summary>
    /// <param name="cancellationToken">Ends the reading; the answer goes on.</param>
    public IAsyncEnumerable<int> ReadTokensAsync(CancellationToken cancellationToken = default) => _tokens.Reader.ReadAllAsync(cancellationToken);

    /// <summary>The answer's text piece by piece, without the token that ends it; a piece never ends inside a character. To be read once, instead of the tokens.</summary>
    /// <param name="tokenizer">The tokenizer of the model's snapshot.</param>
    /// <param name="cancellationToken">Ends the reading; the answer goes on.</param>
    public async IAsyncEnumerable<string> ReadTextAsync(ChatGLMTokenizer tokenizer, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        var decoder = tokenizer.CreateStreamingDecoder();
        await foreach (var token in ReadTokensAsync(cancellationToken).ConfigureAwait(false))
        {
            if (!_eosTokenIds.Contains(token) && decoder.Append(token) is { Length: > 0 } piece)
                yield return piece;
        }

        if (decoder.Flush() is { Length: > 0 } rest)
            yield return rest;
    }

    /// <summary>Ends the answer after the step that is under way. Nothing happens if it has ended.</summary>
    public void Cancel()
    {
        try
        {
            _ending.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // It ended in this moment.
        }
    }

    internal void Write(int token) => _tokens.Writer.TryWrite(token);

    internal void Complete(BatchedResult result)
    {
        Ended?.Invoke();
        _completion.TrySetResult(result);
        _tokens.Writer.TryComplete();
        _ending.Dispose();
    }

    internal void Fail(Exception error)
    {
        Ended?.Invoke();
        if (error is OperationCanceledException cancelled)
            _completion.TrySetCanceled(cancelled.CancellationToken);
        else
            _completion.TrySetException(error);
        _ = _completion.Task.Exception; // who reads only the tokens gets it from there
        _tokens.Writer.TryComplete(error);
        _ending.Dispose();
    }
}
