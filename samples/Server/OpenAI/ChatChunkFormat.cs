using System.Text.Json;
using Microsoft.Extensions.AI;

namespace ChatGLM.Samples.Server.OpenAI;

/// <summary>The pieces of a chat's answer.</summary>
internal sealed class ChatChunkFormat : IChunkFormat
{
    private int _calls;

    public string Kind => "chat.completion.chunk";

    public bool HasOpening => true;

    public void WriteOpening(Utf8JsonWriter writer) => WriteChoice(writer, null, delta =>
    {
        delta.WriteString("role", "assistant");
        delta.WriteString("content", "");
    });

    public void WriteChoice(Utf8JsonWriter writer, IEnumerable<AIContent> contents, string? finishReason) => WriteChoice(writer, finishReason, delta =>
    {
        var text = string.Concat(contents.OfType<TextContent>().Select(c => c.Text));
        if (text.Length > 0)
            delta.WriteString("content", text);
        var calls = contents.OfType<FunctionCallContent>().ToList();
        if (calls.Count == 0)
            return;
        delta.WriteStartArray("tool_calls");
        foreach (var call in calls)
            WriteCall(delta, call, _calls++);
        delta.WriteEndArray();
    });

    /// <summary>Writes a call; in a stream with its index.</summary>
    public static void WriteCall(Utf8JsonWriter writer, FunctionCallContent call, int? index)
    {
        writer.WriteStartObject();
        if (index is { } number)
            writer.WriteNumber("index", number);
        writer.WriteString("id", call.CallId);
        writer.WriteString("type", "function");
        writer.WriteStartObject("function");
        writer.WriteString("name", call.Name);
        writer.WriteString("arguments", ToolCallText.Write(call));
        writer.WriteEndObject();
        writer.WriteEndObject();
    }

    private static void WriteChoice(Utf8JsonWriter writer, string? finishReason, Action<Utf8JsonWriter> writeDelta)
    {
        writer.WriteStartObject();
        writer.WriteNumber("index", 0);
        writer.WriteStartObject("delta");
        writeDelta(writer);
        writer.WriteEndObject();
        writer.WriteNull("logprobs");
        writer.WriteString("finish_reason", finishReason);
        writer.WriteEndObject();
    }
}
