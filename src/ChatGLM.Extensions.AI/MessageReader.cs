using System.Text;
using System.Text.Json;
using ChatGLM.Chat;
using ChatGLM.Tokenizers;
using Microsoft.Extensions.AI;
using GlmMessage = ChatGLM.Chat.ChatMessage;
using GlmRole = ChatGLM.Chat.ChatRole;

namespace ChatGLM.Extensions.AI;

/// <summary>Turns one message with its contents into messages of ChatGLM.</summary>
internal static class MessageReader
{
    public static void Read(Microsoft.Extensions.AI.ChatMessage message, int index, ChatGLMGeneration generation, List<GlmMessage> output)
    {
        ArgumentNullException.ThrowIfNull(message);
        var role = RoleOf(message, index);
        var text = new StringBuilder();
        var hasText = false;
        foreach (var content in message.Contents)
        {
            switch (content)
            {
                case TextContent part:
                    text.Append(part.Text);
                    hasText = true;
                    break;
                case FunctionCallContent call when role == GlmRole.Assistant:
                    RequireTools(generation, index, "a tool's call");
                    Flush();
                    output.Add(Call(call));
                    break;
                case FunctionResultContent result:
                    RequireTools(generation, index, "a tool's result");
                    Flush();
                    output.Add(new GlmMessage(GlmRole.Observation, ResultText(result)));
                    break;
                case UsageContent or TextReasoningContent:
                    break; // nothing that was said
                default:
                    throw new ChatFormatException($"Message {index}: expected text, found {Describe(content)} in a message of the role {message.Role}. ChatGLM reads text only; leave it out.");
            }
        }

        if (hasText || message.Contents.Count == 0)
            Flush(always: true);

        void Flush(bool always = false)
        {
            if (text.Length > 0 || (always && output.Count == 0) || (always && role == GlmRole.User))
                output.Add(new GlmMessage(role, text.ToString()));
            text.Clear();
        }
    }

    private static GlmRole RoleOf(Microsoft.Extensions.AI.ChatMessage message, int index)
    {
        if (message.Role == Microsoft.Extensions.AI.ChatRole.User)
            return GlmRole.User;
        if (message.Role == Microsoft.Extensions.AI.ChatRole.Assistant)
            return GlmRole.Assistant;
        if (message.Role == Microsoft.Extensions.AI.ChatRole.System || message.Role.Value.Equals("developer", StringComparison.OrdinalIgnoreCase))
            return GlmRole.System;
        if (message.Role == Microsoft.Extensions.AI.ChatRole.Tool)
            return GlmRole.Observation;
        throw new ChatFormatException($"Message {index}: the role '{message.Role}' is not known: expected system, user, assistant or tool.");
    }

    private static void RequireTools(ChatGLMGeneration generation, int index, string found)
    {
        if (generation != ChatGLMGeneration.ChatGLM3)
            throw new ChatFormatException($"Message {index}: {generation} knows only questions and answers, found {found}. Use ChatGLM3 for tools.");
    }

    /// <summary>A call as the model wrote it, or as it would have.</summary>
    private static GlmMessage Call(FunctionCallContent call) => call.RawRepresentation as GlmMessage
        ?? new GlmMessage(GlmRole.Assistant, $"```python\n{PythonCallWriter.Write(call.Arguments)}\n```") { Metadata = call.Name };

    private static string ResultText(FunctionResultContent result) => result.Result switch
    {
        null => result.Exception is { } error ? $"Error: {error.Message}" : "",
        string text => text,
        JsonElement { ValueKind: JsonValueKind.String } text => text.GetString()!,
        JsonElement json => json.GetRawText(),
        TextContent text => text.Text,
        IEnumerable<AIContent> parts => string.Concat(parts.OfType<TextContent>().Select(t => t.Text)),
        var value => AIJsonUtilities.DefaultOptions.TryGetTypeInfo(value.GetType(), out var type) ? JsonSerializer.Serialize(value, type) : value.ToString() ?? "",
    };

    private static string Describe(AIContent content) => content switch
    {
        DataContent data => $"data of the type {data.MediaType}",
        UriContent uri => $"a link of the type {uri.MediaType}",
        _ => content.GetType().Name,
    };
}
