using ChatGLM.Chat;

namespace ChatGLM.Tokenizers;

/// <content>Chat prompts and answers.</content>
public sealed partial class ChatGLM3Tokenizer
{
    private const string AssistantToken = "<|assistant|>";

    /// <inheritdoc/>
    public override int[] BuildChatInput(string query, IReadOnlyList<ChatMessage>? history = null, ChatRole role = ChatRole.User)
    {
        ArgumentNullException.ThrowIfNull(query);
        var ids = new List<int>(_prefix);
        foreach (var message in history ?? [])
        {
            var content = message is { Role: ChatRole.System, Tools: { } tools } ? message.Content + "\n" + ToolsJson.Write(tools) : message.Content;
            ids.AddRange(BuildSingleMessage(message.Role, message.Metadata, content));
        }

        ids.AddRange(BuildSingleMessage(role, "", query));
        ids.Add(GetCommand(AssistantToken));
        return [.. ids];
    }

    /// <summary>The ids of one message: its role, the line of metadata, the text. Special tokens' names in them are plain text.</summary>
    public int[] BuildSingleMessage(ChatRole role, string metadata, string message)
    {
        ArgumentNullException.ThrowIfNull(metadata);
        ArgumentNullException.ThrowIfNull(message);
        var name = role switch
        {
            ChatRole.System => "<|system|>",
            ChatRole.User => "<|user|>",
            ChatRole.Assistant => AssistantToken,
            ChatRole.Observation => "<|observation|>",
            _ => throw new ArgumentOutOfRangeException(nameof(role), role, "There is no such role."),
        };
        return [GetCommand(name), .. Encode(metadata + "\n", null, PlainText), .. Encode(message, null, PlainText)];
    }

    /// <inheritdoc/>
    public override ChatResponse ProcessResponse(string response, IReadOnlyList<ChatMessage>? history = null)
    {
        ArgumentNullException.ThrowIfNull(response);
        var hasTools = history is [{ Role: ChatRole.System, Tools: not null }, ..];
        var messages = new List<ChatMessage>();
        var result = new ChatResponse { Content = "", Messages = messages };
        foreach (var part in response.Split(AssistantToken))
        {
            var lineEnd = part.IndexOf('\n', StringComparison.Ordinal);
            var (metadata, content) = lineEnd < 0 ? ("", part) : (part[..lineEnd], part[(lineEnd + 1)..]);
            if (PythonText.Trim(metadata).Length == 0)
            {
                content = PythonText.Trim(content);
                messages.Add(new ChatMessage(ChatRole.Assistant, content) { Metadata = metadata });
                result = result with { Content = ResponseText.FillTrainingTime(content), ToolName = null, ToolCall = null };
                continue;
            }

            messages.Add(new ChatMessage(ChatRole.Assistant, content) { Metadata = metadata });
            var name = PythonText.Trim(metadata);
            result = result with { Content = content, ToolName = name, ToolCall = hasTools ? ToolCallParser.Parse(name, WithoutFence(content)) : null };
        }

        return result;
    }

    /// <summary>The lines between the first and the last: the model writes a call within a fence of code.</summary>
    private static ReadOnlySpan<char> WithoutFence(string content)
    {
        var first = content.IndexOf('\n', StringComparison.Ordinal);
        var last = content.LastIndexOf('\n');
        return first < 0 || last <= first ? default : content.AsSpan(first + 1, last - first - 1);
    }
}
