using System.Threading.Channels;
using ChatGLM.Generation;
using Microsoft.Extensions.AI;

namespace ChatGLM.Extensions.AI;

/// <summary>One answer on its way from the model to the updates of a response, whatever it answers.</summary>
internal sealed class AnswerWriter(string responseId, string modelId, string? adapter, SharedModel model, Telemetry.Operation operation, ChannelWriter<ChatResponseUpdate> updates)
{
    private readonly DateTimeOffset _createdAt = DateTimeOffset.UtcNow;

    /// <summary>The adapter that answers; null for the model without one.</summary>
    public string? Adapter => adapter;

    /// <summary>What the application asks for.</summary>
    public ChatGLMOptions Defaults => model.Options;

    /// <summary>Notes that the model has said something.</summary>
    public void Begin() => operation.FirstToken();

    /// <summary>Hands out what is certain by now.</summary>
    public void Write(IList<AIContent> contents) => Write(contents, null);

    /// <summary>Notes a call that cannot be read.</summary>
    public void NoteBadToolCall(string tool, Exception error) => Log.BadToolCall(model.Logger, error, modelId, tool);

    /// <summary>Ends the answer with its counts and why it ended.</summary>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public void Finish(FinishReason finishReason, bool callsTool, int promptTokens, int cachedTokens, int completionTokens, CancellationToken cancellationToken)
    {
        var reason = finishReason switch
        {
            FinishReason.Length => ChatFinishReason.Length,
            FinishReason.Cancelled => throw new OperationCanceledException(cancellationToken),
            _ => callsTool ? ChatFinishReason.ToolCalls : ChatFinishReason.Stop,
        };
        var usage = new UsageDetails
        {
            InputTokenCount = promptTokens,
            CachedInputTokenCount = cachedTokens,
            OutputTokenCount = completionTokens,
            TotalTokenCount = promptTokens + completionTokens,
        };
        Write([new UsageContent(usage)], reason);
        operation.Complete(responseId, reason, promptTokens, cachedTokens, completionTokens);
        Log.Answered(model.Logger, modelId, responseId, promptTokens, cachedTokens, completionTokens, operation.Elapsed.TotalSeconds, reason.Value);
    }

    private void Write(IList<AIContent> contents, ChatFinishReason? finishReason) => updates.TryWrite(new ChatResponseUpdate(ChatRole.Assistant, contents)
    {
        ResponseId = responseId,
        MessageId = responseId,
        CreatedAt = _createdAt,
        ModelId = modelId,
        FinishReason = finishReason,
    });
}
