using System.Globalization;
using System.Text;
using System.Text.Json;

namespace ChatGLM.Chat;

/// <summary>Writes JSON exactly as Python's <c>json.dumps(value, indent=4, ensure_ascii=False)</c>: what the model saw in training.</summary>
internal static class ToolsJson
{
    public static string Write(JsonElement value)
    {
        var output = new StringBuilder();
        try
        {
            Write(value, 0, output);
        }
        catch (InvalidOperationException e)
        {
            throw new ChatFormatException($"The tools hold text that is no valid Unicode ({e.Message}). Correct their description.", e);
        }

        return output.ToString();
    }

    private static void Write(JsonElement value, int depth, StringBuilder output)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                var isFirst = true;
                output.Append('{');
                foreach (var property in value.EnumerateObject())
                {
                    NewItem(ref isFirst, depth + 1, output);
                    WriteString(property.Name, output);
                    output.Append(": ");
                    Write(property.Value, depth + 1, output);
                }

                End(isFirst, depth, output).Append('}');
                break;
            case JsonValueKind.Array:
                isFirst = true;
                output.Append('[');
                foreach (var item in value.EnumerateArray())
                {
                    NewItem(ref isFirst, depth + 1, output);
                    Write(item, depth + 1, output);
                }

                End(isFirst, depth, output).Append(']');
                break;
            case JsonValueKind.String:
                WriteString(value.GetString()!, output);
                break;
            case JsonValueKind.Number:
                WriteNumber(value, output);
                break;
            case JsonValueKind.True or JsonValueKind.False:
                output.Append(value.GetBoolean() ? "true" : "false");
                break;
            default:
                output.Append("null");
                break;
        }
    }

    private static void NewItem(ref bool isFirst, int depth, StringBuilder output)
    {
        output.Append(isFirst ? "\n" : ",\n").Append(' ', depth * 4);
        isFirst = false;
    }

    private static StringBuilder End(bool isEmpty, int depth, StringBuilder output) => isEmpty ? output : output.Append('\n').Append(' ', depth * 4);

    private static void WriteString(string text, StringBuilder output)
    {
        output.Append('"');
        foreach (var c in text)
        {
            _ = c switch
            {
                '"' => output.Append("\\\""),
                '\\' => output.Append("\\\\"),
                '\n' => output.Append("\\n"),
                '\r' => output.Append("\\r"),
                '\t' => output.Append("\\t"),
                '\b' => output.Append("\\b"),
                '\f' => output.Append("\\f"),
                < ' ' => output.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"),
                _ => output.Append(c),
            };
        }

        output.Append('"');
    }

    private static void WriteNumber(JsonElement value, StringBuilder output)
    {
        var raw = value.GetRawText();
        if (raw.AsSpan().ContainsAny(".eE"))
            output.Append(PythonFloat.Write(value.GetDouble()));
        else
            output.Append(raw == "-0" ? "0" : raw);
    }
}
