using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace ChatGLM.Tool.Terminal;

/// <summary>Writes JSON objects, one a line, Chinese as it is.</summary>
internal static class JsonLine
{
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static void Write(TextWriter writer, JsonObject value) => writer.WriteLine(Text(value));

    public static string Text(JsonNode value) => Text(value, Options);

    /// <summary>For people and files: indented.</summary>
    public static string Indented(JsonNode value) => Text(value, Options with { Indented = true });

    /// <summary>An array of what can stand in one.</summary>
    public static JsonArray Array<T>(IEnumerable<T> items, Func<T, JsonNode?> convert) => [.. items.Select(convert)];

    private static string Text(JsonNode value, JsonWriterOptions options)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, options))
            value.WriteTo(json);
        return Encoding.UTF8.GetString(stream.GetBuffer().AsSpan(0, (int)stream.Length));
    }
}
