using System.Text;
using System.Text.Json;
using ChatGLM.Samples.Server.Http;
using Microsoft.Extensions.AI;
using GlmMessage = ChatGLM.Chat.ChatMessage;

namespace ChatGLM.Samples.Server.OpenAI;

/// <summary>
/// The arguments of a call as the text of a JSON object, which is what clients get and bring back. A call that the model wrote wrongly has no arguments: its client gets what the model wrote, which is
/// no JSON, and what it brings back reads as the model wrote it.
/// </summary>
internal static class ToolCallText
{
    /// <summary>A call that a client brings back.</summary>
    public static FunctionCallContent Read(string id, string name, string arguments)
    {
        try
        {
            using var json = JsonDocument.Parse(arguments, new JsonDocumentOptions { MaxDepth = 32 });
            if (json.RootElement.ValueKind == JsonValueKind.Object)
            {
                JsonFields.RequireText(json.RootElement, "arguments");
                var values = new Dictionary<string, object?>(StringComparer.Ordinal);
                foreach (var argument in json.RootElement.Clone().EnumerateObject())
                    values[argument.Name] = argument.Value;
                return new FunctionCallContent(id, name, values);
            }
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or ApiException)
        {
            // as the model wrote it
        }

        return new FunctionCallContent(id, name) { RawRepresentation = new GlmMessage(Chat.ChatRole.Assistant, arguments) { Metadata = name } };
    }

    /// <summary>The arguments of a call that the model has made.</summary>
    public static string Write(FunctionCallContent call)
    {
        if (call.Arguments is not { } arguments)
            return call.RawRepresentation is GlmMessage raw ? raw.Content : "";
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer, JsonBody.WriterOptions))
        {
            writer.WriteStartObject();
            foreach (var (name, value) in arguments)
            {
                writer.WritePropertyName(name);
                ((JsonElement)value!).WriteTo(writer); // what the engine's reader of calls gives
            }

            writer.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.GetBuffer(), 0, (int)buffer.Length);
    }
}
