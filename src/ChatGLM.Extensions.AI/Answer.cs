using System.Threading.Channels;
using ChatGLM.Generation;
using ChatGLM.Models;
using Microsoft.Extensions.AI;
using GlmMessage = ChatGLM.Chat.ChatMessage;

namespace ChatGLM.Extensions.AI;

/// <summary>One answer on its way from the model to the updates of a response.</summary>
internal sealed class Answer(string responseId, SharedModel model, Telemetry.Operation operation, ChannelWriter<ChatResponseUpdate> updates)
{
    private readonly DateTimeOffset _createdAt = DateTimeOffset.UtcNow;

    /// <summary>Writes the answer. The model is this request's meanwhile.</summary>
    public async Task<bool> WriteAsync(
        LoadedModel loaded, IReadOnlyList<Microsoft.Extensions.AI.ChatMessage> messages, Microsoft.Extensions.AI.ChatOptions? options, ToolList? tools, object? raw, CancellationToken cancellationToken)
    {
        var generation = loaded.Tokenizer.Generation;
        tools?.RequireSupportBy(generation);
        var prompt = ChatPrompt.Build(messages, options?.Instructions, tools, generation);
        var how = GenerationMapper.Map(options, raw, model.Options, loaded.Model.ChatGenerationConfig) with { Role = prompt.Role };
        // What a cache holds was rounded in the company of other tokens: who asks for a seed gets an answer that hangs on nothing else.
        var session = how.Generation!.Seed is null ? loaded.Conversations.Take(prompt.History) : loaded.Conversations.Fresh(prompt.History);
        try
        {
            var reader = new AnswerReader(generation, tools, how.Generation.StopStrings ?? []);
            await foreach (var piece in session.StreamChatAsync(prompt.Query, how, cancellationToken).ConfigureAwait(false))
            {
                operation.FirstToken();
                if (reader.Append(piece) is { } contents)
                    Write(contents);
            }

            if (reader.Finish() is { } rest)
                Write(rest);
            if (reader.BadCall is { } bad)
                Log.BadToolCall(model.Logger, bad.Error, model.ModelId, bad.Tool);
            Finish(session.LastResult!, reader.CallsTool, cancellationToken);
            if (how.Generation.Seed is null)
            {
                loaded.Conversations.PutBack(session, [.. prompt.History, new GlmMessage(prompt.Role, prompt.Query), .. reader.Messages]);
                session = null;
            }

            return true;
        }
        finally
        {
            session?.Dispose();
        }
    }

    private void Finish(ChatResult result, bool callsTool, CancellationToken cancellationToken)
    {
        var reason = result.FinishReason switch
        {
            FinishReason.Length => ChatFinishReason.Length,
            FinishReason.Cancelled => throw new OperationCanceledException(cancellationToken),
            _ => callsTool ? ChatFinishReason.ToolCalls : ChatFinishReason.Stop,
        };
        var usage = new UsageDetails
        {
            InputTokenCount = result.PromptTokens,
            CachedInputTokenCount = result.CachedTokens,
            OutputTokenCount = result.CompletionTokens,
            TotalTokenCount = result.PromptTokens + result.CompletionTokens,
        };
        Write([new UsageContent(usage)], reason);
        operation.Complete(responseId, reason, result.PromptTokens, result.CachedTokens, result.CompletionTokens);
        Log.Answered(
            model.Logger, model.ModelId, responseId, result.PromptTokens, result.CachedTokens, result.CompletionTokens, operation.Elapsed.TotalSeconds, reason.Value);
    }

    private void Write(IList<AIContent> contents, ChatFinishReason? finishReason = null) => updates.TryWrite(new ChatResponseUpdate(ChatRole.Assistant, contents)
    {
        ResponseId = responseId,
        MessageId = responseId,
        CreatedAt = _createdAt,
        ModelId = model.ModelId,
        FinishReason = finishReason,
    });
}
