using System.Text.Json;
using ChatGLM.Tokenizers;
using Microsoft.Extensions.AI;

namespace ChatGLM.Extensions.AI;

/// <summary>The functions that a request lets the model call.</summary>
/// <param name="Json">Their descriptions, as ChatGLM3 was trained to see them.</param>
/// <param name="Names">Their names.</param>
internal sealed record ToolList(JsonElement Json, IReadOnlySet<string> Names)
{
    /// <summary>The tools of a request; null for none.</summary>
    /// <exception cref="UnsupportedOptionException">A tool is no function, or the request wants to be sure of a call.</exception>
    public static ToolList? From(ChatOptions? options)
    {
        if (options?.Tools is not { Count: > 0 } tools || options.ToolMode is NoneChatToolMode)
            return null;
        if (options.ToolMode is RequiredChatToolMode)
            throw new UnsupportedOptionException(nameof(ChatOptions.ToolMode), "'required'", "'auto' or 'none': the model decides by itself whether it calls a tool");
        var names = new HashSet<string>(StringComparer.Ordinal);
        using var json = new MemoryStream();
        using (var writer = new Utf8JsonWriter(json))
        {
            writer.WriteStartArray();
            foreach (var tool in tools)
            {
                if (tool is not AIFunctionDeclaration function)
                    throw new UnsupportedOptionException(nameof(ChatOptions.Tools), $"a list with {tool.GetType().Name} '{tool.Name}'", "functions (AIFunctionDeclaration) only");
                if (!names.Add(function.Name))
                    throw new UnsupportedOptionException(nameof(ChatOptions.Tools), $"a list with two functions called '{function.Name}'", "functions of different names");
                writer.WriteStartObject();
                writer.WriteString("name", function.Name);
                writer.WriteString("description", function.Description);
                writer.WritePropertyName("parameters");
                function.JsonSchema.WriteTo(writer);
                writer.WriteEndObject();
            }

            writer.WriteEndArray();
        }

        using var document = JsonDocument.Parse(json.GetBuffer().AsMemory(0, (int)json.Length));
        return new ToolList(document.RootElement.Clone(), names);
    }

    /// <exception cref="UnsupportedOptionException">This generation does not know tools.</exception>
    public void RequireSupportBy(ChatGLMGeneration generation)
    {
        if (generation != ChatGLMGeneration.ChatGLM3)
            throw new UnsupportedOptionException(nameof(ChatOptions.Tools), $"a list of {Names.Count}", $"none: {generation} was not trained to call tools. Use ChatGLM3");
    }
}
