using System.Collections;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace ChatGLM.Extensions.AI;

/// <summary>Writes arguments as ChatGLM3 writes a call: <c>tool_call(city='北京', days=3)</c>.</summary>
internal static class PythonCallWriter
{
    public static string Write(IEnumerable<KeyValuePair<string, object?>>? arguments)
    {
        var output = new StringBuilder("tool_call(");
        var separator = "";
        foreach (var (name, value) in arguments ?? [])
        {
            output.Append(separator).Append(name).Append('=');
            WriteValue(value, output);
            separator = ", ";
        }

        return output.Append(')').ToString();
    }

    private static void WriteValue(object? value, StringBuilder output)
    {
        switch (value)
        {
            case null:
                output.Append("None");
                break;
            case string text:
                WriteString(text, output);
                break;
            case bool flag:
                output.Append(flag ? "True" : "False");
                break;
            case JsonElement json:
                WriteJson(json, output);
                break;
            case byte or sbyte or short or ushort or int or uint or long or ulong or decimal or float or double:
                output.Append(((IFormattable)value).ToString(null, CultureInfo.InvariantCulture));
                break;
            case IEnumerable<KeyValuePair<string, object?>> pairs:
                WriteItems('{', '}', pairs, output, (pair, o) =>
                {
                    WriteString(pair.Key, o);
                    o.Append(": ");
                    WriteValue(pair.Value, o);
                });
                break;
            case IEnumerable items:
                WriteItems('[', ']', items.Cast<object?>(), output, WriteValue);
                break;
            default:
                WriteString(Convert.ToString(value, CultureInfo.InvariantCulture) ?? "", output);
                break;
        }
    }

    private static void WriteJson(JsonElement json, StringBuilder output)
    {
        switch (json.ValueKind)
        {
            case JsonValueKind.Object:
                WriteItems('{', '}', json.EnumerateObject(), output, (property, o) =>
                {
                    WriteString(property.Name, o);
                    o.Append(": ");
                    WriteJson(property.Value, o);
                });
                break;
            case JsonValueKind.Array:
                WriteItems('[', ']', json.EnumerateArray(), output, WriteJson);
                break;
            case JsonValueKind.String:
                WriteString(json.GetString()!, output);
                break;
            case JsonValueKind.Number:
                output.Append(json.GetRawText());
                break;
            case JsonValueKind.True or JsonValueKind.False:
                output.Append(json.GetBoolean() ? "True" : "False");
                break;
            default:
                output.Append("None");
                break;
        }
    }

    private static void WriteItems<T>(char open, char close, IEnumerable<T> items, StringBuilder output, Action<T, StringBuilder> write)
    {
        output.Append(open);
        var separator = "";
        foreach (var item in items)
        {
            output.Append(separator);
            write(item, output);
            separator = ", ";
        }

        output.Append(close);
    }

    private static void WriteString(string text, StringBuilder output)
    {
        output.Append('\'');
        foreach (var c in text)
        {
            _ = c switch
            {
                '\'' => output.Append("\\'"),
                '\\' => output.Append("\\\\"),
                '\n' => output.Append("\\n"),
                '\r' => output.Append("\\r"),
                '\t' => output.Append("\\t"),
                _ => output.Append(c),
            };
        }

        output.Append('\'');
    }
}
