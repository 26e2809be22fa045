using System.Text.Json;
using ChatGLM.Samples.Server.Http;
using Microsoft.Extensions.AI;

namespace ChatGLM.Samples.Server.OpenAI;

/// <summary>Reads the messages of a chat.</summary>
internal static class MessageReader
{
    private const int MaxParts = 1000;

    public static IReadOnlyList<ChatMessage> Read(JsonFields fields, int most)
    {
        var elements = fields.Array("messages", most) ?? throw fields.Missing("messages", "an array of at least one message");
        if (elements.Count == 0)
            throw ApiException.Invalid("'messages' is empty, expected at least one message.", "messages");
        var calls = new HashSet<string>(StringComparer.Ordinal);
        return [.. elements.Select(e => ReadMessage(new JsonFields(e.Element, e.Path), calls))];
    }

    private static ChatMessage ReadMessage(JsonFields message, HashSet<string> calls)
    {
        var role = message.RequiredString("role");
        message.Ignore("name");
        var contents = role switch
        {
            "system" or "developer" or "user" => RequiredText(message),
            "assistant" => ReadAnswer(message, calls),
            "tool" => ReadResult(message, calls),
            _ => throw JsonFields.Wrong(message.PathOf("role"), $"'{(role.Length <= 40 ? role : role[..40])}'", "system, developer, user, assistant or tool"),
        };
        message.RequireNoOthers();
        return new ChatMessage(role == "developer" ? ChatRole.System : new ChatRole(role), contents);
    }

    private static List<AIContent> RequiredText(JsonFields message) => Text(message) is { Count: > 0 } text ? text : throw message.Missing("content", "text, or an array of parts of the type text");

    private static List<AIContent> Text(JsonFields message)
    {
        if (message.Take("content") is not { } content)
            return [];
        var path = message.PathOf("content");
        if (content.ValueKind == JsonValueKind.String)
            return [new TextContent(JsonFields.Text(content, path))];
        if (content.ValueKind != JsonValueKind.Array)
            throw message.Wrong("content", content, "text, or an array of parts of the type text");
        if (content.GetArrayLength() > MaxParts)
            throw ApiException.Invalid($"'{path}' has {content.GetArrayLength()} parts, expected at most {MaxParts}.", path, "too_many_elements");
        return [.. content.EnumerateArray().Select((part, i) => Part(new JsonFields(part, $"{path}[{i}]")))];
    }

    private static TextContent Part(JsonFields part)
    {
        if (part.RequiredString("type") is not "text" and var type)
            throw ApiException.Invalid($"'{part.PathOf("type")}' is '{type}', expected 'text': the model reads nothing else.", part.PathOf("type"), "unsupported_value");
        var text = part.RequiredString("text");
        part.RequireNoOthers();
        return new TextContent(text);
    }

    private static List<AIContent> ReadAnswer(JsonFields message, HashSet<string> calls)
    {
        var contents = Text(message);
        foreach (var (element, path) in message.Array("tool_calls", MaxParts) ?? [])
        {
            var call = new JsonFields(element, path);
            var id = call.RequiredString("id");
            if (call.RequiredString("type") is not "function" and var type)
                throw ApiException.Invalid($"'{path}.type' is '{type}', expected 'function'.", $"{path}.type");
            var function = new JsonFields(call.Take("function") ?? throw call.Missing("function", "an object"), $"{path}.function");
            contents.Add(ToolCallText.Read(id, function.RequiredString("name"), function.String("arguments") ?? "{}"));
            calls.Add(id);
            function.RequireNoOthers();
            call.Ignore("index");
            call.RequireNoOthers();
        }

        if (contents.Count == 0)
            throw message.Missing("content", "text, or 'tool_calls'");
        message.Refuse("function_call", _ => false, "Use 'tool_calls'.");
        message.Ignore("refusal", "audio", "annotations");
        return contents;
    }

    private static List<AIContent> ReadResult(JsonFields message, HashSet<string> calls)
    {
        var id = message.RequiredString("tool_call_id");
        if (!calls.Contains(id))
            throw ApiException.Invalid($"'{message.PathOf("tool_call_id")}' names no call of an earlier message.", message.PathOf("tool_call_id"));
        return [new FunctionResultContent(id, string.Concat(RequiredText(message).Cast<TextContent>().Select(t => t.Text)))];
    }
}
