using System.Text.Json;
using System.Text.Json.Nodes;
using ChatGLM.Chat;
using ChatGLM.Tool.Terminal;

namespace ChatGLM.Tool.Chat;

/// <summary>A conversation as JSON: an array of messages with role, content, metadata and tools, as ChatGLM3's Python code has them.</summary>
internal static class ConversationFile
{
    private const int LargestBytes = 64 << 20;

    /// <summary>Writes it beside and renames it, so that an old file is not lost to a full disk.</summary>
    public static void Write(string path, IEnumerable<ChatMessage> messages)
    {
        var array = new JsonArray();
        foreach (var message in messages)
        {
            var entry = new JsonObject { ["role"] = message.Role.ToString().ToLowerInvariant(), ["content"] = message.Content };
            if (message.Metadata.Length > 0)
                entry["metadata"] = message.Metadata;
            if (message.Tools is { } tools)
                entry["tools"] = JsonNode.Parse(tools.GetRawText());
            array.Add((JsonNode)entry);
        }

        var temporary = path + ".partial";
        File.WriteAllText(temporary, JsonLine.Indented(array) + "\n");
        File.Move(temporary, path, overwrite: true);
    }

    /// <exception cref="ToolFileException">The file is no conversation.</exception>
    public static IReadOnlyList<ChatMessage> Read(string path)
    {
        var file = new FileInfo(path);
        if (!file.Exists)
            throw new ToolFileException(path, "there is no such file.");
        if (file.Length > LargestBytes)
            throw new ToolFileException(path, $"it has {file.Length:N0} bytes; at most {LargestBytes:N0} are read.");
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(path), new JsonDocumentOptions { MaxDepth = 64 });
            if (document.RootElement.ValueKind != JsonValueKind.Array)
                throw new ToolFileException(path, "expected an array of messages, as /save writes it.");
            return [.. document.RootElement.EnumerateArray().Select((message, index) => Message(path, message, index))];
        }
        catch (JsonException error)
        {
            throw new ToolFileException(path, $"it is no JSON: {error.Message}");
        }
    }

    private static ChatMessage Message(string path, JsonElement message, int index)
    {
        if (message.ValueKind == JsonValueKind.Object && Text(message, "role") is { } role && Text(message, "content") is { } content
            && Enum.TryParse<ChatRole>(role, ignoreCase: true, out var who) && Enum.IsDefined(who) && !char.IsAsciiDigit(role[0]))
        {
            var hasTools = message.TryGetProperty("tools", out var tools) && tools.ValueKind == JsonValueKind.Array;
            return new ChatMessage(who, content) { Metadata = Text(message, "metadata") ?? "", Tools = hasTools ? tools.Clone() : null };
        }

        throw new ToolFileException(path, $"message {index}: expected an object with role (system, user, assistant or observation) and content.");
    }

    private static string? Text(JsonElement message, string name) => message.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String && value.GetString() is { Length: > 0 } text
        ? text
        : value.ValueKind == JsonValueKind.String && name == "content" ? "" : null;
}
