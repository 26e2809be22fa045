using System.Text.Json;

namespace ChatGLM.Tool.Chat;

/// <summary>Reads the descriptions of tools.</summary>
internal static class ToolsFile
{
    private const int LargestBytes = 1 << 20;

    /// <exception cref="ToolFileException">The file is no JSON array of objects with names.</exception>
    public static JsonElement Read(string path)
    {
        var file = new FileInfo(path);
        if (file.Length > LargestBytes)
            throw new ToolFileException(path, $"it has {file.Length:N0} bytes; at most {LargestBytes:N0} are read.");
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(path), new JsonDocumentOptions { MaxDepth = 32 });
            var tools = document.RootElement;
            if (tools.ValueKind != JsonValueKind.Array || tools.GetArrayLength() == 0)
                throw new ToolFileException(path, "expected a JSON array of tools, such as [{\"name\": \"get_weather\", \"description\": \"...\", \"parameters\": {...}}].");
            foreach (var tool in tools.EnumerateArray())
            {
                if (tool.ValueKind != JsonValueKind.Object || !tool.TryGetProperty("name", out var name) || name.ValueKind != JsonValueKind.String)
                    throw new ToolFileException(path, $"expected every tool to be an object with a \"name\", found {Shorten(tool.GetRawText())}.");
            }

            return tools.Clone();
        }
        catch (JsonException error)
        {
            throw new ToolFileException(path, $"it is no JSON: {error.Message}");
        }
    }

    private static string Shorten(string text) => text.Length <= 60 ? text : text[..60] + "...";
}
