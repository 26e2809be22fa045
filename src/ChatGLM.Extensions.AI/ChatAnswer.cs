using Microsoft.Extensions.AI;
using GlmMessage = ChatGLM.Chat.ChatMessage;

namespace ChatGLM.Extensions.AI;

/// <summary>The answer to a chat's last message.</summary>
internal sealed class ChatAnswer(IReadOnlyList<ChatMessage> messages, ChatOptions? options, ToolList? tools, object? raw)
{
    /// <summary>Writes the answer. The model is this request's meanwhile.</summary>
    public async Task<bool> WriteAsync(LoadedModel loaded, AnswerWriter writer, CancellationToken cancellationToken)
    {
        var generation = loaded.Tokenizer.Generation;
        tools?.RequireSupportBy(generation);
        var prompt = ChatPrompt.Build(messages, options?.Instructions, tools, generation);
        var how = GenerationMapper.Map(options, raw, writer.Defaults, loaded.Model.ChatGenerationConfig) with { Role = prompt.Role };
        if (writer.Defaults.MaxInputTokens is not null)
            loaded.RequireAllowedLength(loaded.Tokenizer.BuildChatInput(prompt.Query, new Chat.ChatHistory(prompt.History), prompt.Role).Length);
        // What a cache holds was rounded in the company of other tokens: who asks for a seed gets an answer that hangs on nothing else.
        var session = how.Generation!.Seed is null ? loaded.Conversations.Take(writer.ModelId, prompt.History) : loaded.Conversations.Fresh(prompt.History);
        try
        {
            var reader = new AnswerReader(generation, tools, how.Generation.StopStrings ?? []);
            await foreach (var piece in session.StreamChatAsync(prompt.Query, how, cancellationToken).ConfigureAwait(false))
            {
                writer.Begin();
                if (reader.Append(piece) is { } contents)
                    writer.Write(contents);
            }

            if (reader.Finish() is { } rest)
                writer.Write(rest);
            if (reader.BadCall is { } bad)
                writer.NoteBadToolCall(bad.Tool, bad.Error);
            var result = session.LastResult!;
            writer.Finish(result.FinishReason, reader.CallsTool, result.PromptTokens, result.CachedTokens, result.CompletionTokens, cancellationToken);
            if (how.Generation.Seed is null)
            {
                loaded.Conversations.PutBack(writer.ModelId, session, [.. prompt.History, new GlmMessage(prompt.Role, prompt.Query), .. reader.Messages]);
                session = null;
            }

            return true;
        }
        finally
        {
            session?.Dispose();
        }
    }
}
