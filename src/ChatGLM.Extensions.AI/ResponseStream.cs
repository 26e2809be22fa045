using System.Runtime.CompilerServices;
using System.Threading.Channels;
using ChatGLM.Chat;
using ChatGLM.Generation;
using ChatGLM.Models;
using Microsoft.Extensions.AI;
using ChatOptions = Microsoft.Extensions.AI.ChatOptions;

namespace ChatGLM.Extensions.AI;

/// <summary>One request from its arrival to its end: the answer is written beside the reading, and every end of it comes out of the enumeration.</summary>
/// <param name="model">The model.</param>
/// <param name="operation">The operation by its GenAI name.</param>
/// <param name="idPrefix">What the response's id begins with.</param>
internal sealed class ResponseStream(SharedModel model, string operation, string idPrefix)
{
    /// <summary>Answers a request.</summary>
    /// <param name="modelId">The model or adapter asked for.</param>
    /// <param name="options">What the request asks for.</param>
    /// <param name="prepare">Checks the request before anybody waits, and gives what writes the answer when its turn has come.</param>
    /// <param name="cancellationToken">Ends the answer.</param>
    public async IAsyncEnumerable<ChatResponseUpdate> RunAsync(
        string modelId,
        ChatOptions? options,
        Func<Func<LoadedModel, AnswerWriter, CancellationToken, Task>> prepare,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var updates = Channel.CreateUnbounded<ChatResponseUpdate>(new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });
        // A reader who is slow, or forgets to read on, must not hold the model.
        var answering = AnswerAsync(modelId, options, prepare, updates.Writer, ending.Token);
        try
        {
            await foreach (var update in updates.Reader.ReadAllAsync(CancellationToken.None).ConfigureAwait(false))
                yield return update;
        }
        finally
        {
            await ending.CancelAsync().ConfigureAwait(false);
            await answering.ConfigureAwait(false);
        }
    }

    private async Task AnswerAsync(
        string modelId,
        ChatOptions? options,
        Func<Func<LoadedModel, AnswerWriter, CancellationToken, Task>> prepare,
        ChannelWriter<ChatResponseUpdate> updates,
        CancellationToken cancellationToken)
    {
        var responseId = $"{idPrefix}-{Guid.NewGuid():N}";
        // A name that does not exist is not measured: telemetry would keep every one that somebody tries.
        var name = model.ModelIds.Contains(modelId) ? modelId : model.ModelId;
        using var measured = model.Telemetry.Start(operation, name);
        try
        {
            measured.SetRequest(options);
            GenerationMapper.Check(options);
            model.Resolve(modelId);
            var write = prepare();
            await model.AnswerAsync((loaded, adapter, cancellation) => write(loaded, new AnswerWriter(responseId, name, adapter, model, measured, updates), cancellation), name, measured, cancellationToken).ConfigureAwait(false);
            updates.Complete();
        }
        catch (Exception error)
        {
            measured.Fail(error);
            if (error is OperationCanceledException)
                Log.Cancelled(model.Logger, name, responseId, measured.Elapsed.TotalSeconds);
            else if (error is UnsupportedOptionException or ChatFormatException or GenerationConfigException or PromptTooLongException or ModelBusyException)
                Log.Refused(model.Logger, name, responseId, error.GetType().Name);
            else
                Log.Failed(model.Logger, error, name, responseId);
            updates.Complete(error);
        }
    }
}
