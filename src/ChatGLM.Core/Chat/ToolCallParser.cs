using System.Diagnostics.CodeAnalysis;
using System.Text.Json;

namespace ChatGLM.Chat;

/// <summary>
/// Reads the call that ChatGLM3 writes, <c>tool_call(city='北京', days=3)</c>. The original runs it as Python code; this reads a closed
/// grammar: keyword arguments whose values are strings, numbers, True, False, None, lists, tuples and dicts. Nothing is ever run.
/// </summary>
public static class ToolCallParser
{
    /// <summary>The most characters of a call.</summary>
    public const int MaxLength = 1 << 20;

    /// <summary>Reads the arguments of a call.</summary>
    /// <param name="name">The tool's name, which the model writes on the line before.</param>
    /// <param name="code">The call, with nothing around it but whitespace.</param>
    /// <exception cref="ToolCallException">It does not follow the grammar.</exception>
    public static ToolCall Parse(string name, ReadOnlySpan<char> code)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (code.Length > MaxLength)
            throw new ToolCallException($"The tool call is too long: expected at most {MaxLength} characters, found {code.Length}. Ask the model again.");
        using var json = new MemoryStream();
        using (var writer = new Utf8JsonWriter(json))
            new PythonCallReader(code).ReadCall().WriteTo(writer);
        using var document = JsonDocument.Parse(json.GetBuffer().AsMemory(0, (int)json.Length), new JsonDocumentOptions { MaxDepth = PythonCallReader.MaxDepth + 2 });
        return new ToolCall(name, document.RootElement.Clone());
    }

    /// <summary>Reads the arguments of a call, or says that it does not follow the grammar.</summary>
    /// <param name="name">The tool's name, which the model writes on the line before.</param>
    /// <param name="code">The call, with nothing around it but whitespace.</param>
    /// <param name="call">The call, when the result is true.</param>
    public static bool TryParse(string name, ReadOnlySpan<char> code, [NotNullWhen(true)] out ToolCall? call)
    {
        try
        {
            call = Parse(name, code);
            return true;
        }
        catch (ToolCallException)
        {
            call = null;
            return false;
        }
    }
}
