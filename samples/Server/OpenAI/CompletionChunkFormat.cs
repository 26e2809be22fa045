using System.Text.Json;
using Microsoft.Extensions.AI;

namespace ChatGLM.Samples.Server.OpenAI;

/// <summary>The pieces of a continued text.</summary>
/// <param name="index">The number of its prompt.</param>
internal sealed class CompletionChunkFormat(int index) : IChunkFormat
{
    public string Kind => "text_completion";

    public bool HasOpening => false;

    public void WriteOpening(Utf8JsonWriter writer)
    {
    }

    public void WriteChoice(Utf8JsonWriter writer, IEnumerable<AIContent> contents, string? finishReason) =>
        WriteChoice(writer, index, string.Concat(contents.OfType<TextContent>().Select(c => c.Text)), finishReason);

    public static void WriteChoice(Utf8JsonWriter writer, int index, string text, string? finishReason)
    {
        writer.WriteStartObject();
        writer.WriteNumber("index", index);
        writer.WriteString("text", text);
        writer.WriteNull("logprobs");
        writer.WriteString("finish_reason", finishReason);
        writer.WriteEndObject();
    }
}
