using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace ChatGLM.Training;

/// <summary>JSON values as Python writes them: what a model has seen of tools and their arguments in training.</summary>
internal static partial class PythonLiterals
{
    /// <summary>Python's <c>json.dumps(value, ensure_ascii=False, indent=indent)</c>.</summary>
    /// <param name="value">The value.</param>
    /// <param name="indent">The spaces of a level, or null for one line.</param>
    public static string Dumps(JsonElement value, int? indent = null)
    {
        var output = new StringBuilder();
        WriteJson(value, indent, 0, output);
        return output.ToString();
    }

    /// <summary>Python's <c>json.dumps(text, ensure_ascii=False)</c>.</summary>
    public static string Dumps(string text)
    {
        var output = new StringBuilder();
        WriteJsonString(text, output);
        return output.ToString();
    }

    /// <summary>Python's <c>repr</c> of what <c>json.loads</c> makes of a value.</summary>
    public static string Repr(JsonElement value)
    {
        var output = new StringBuilder();
        WriteRepr(value, output);
        return output.ToString();
    }

    /// <summary>Whether a text can be the name of an argument of a Python function.</summary>
    public static bool IsIdentifier(string text) => Identifier().IsMatch(text);

    private static void WriteJson(JsonElement value, int? indent, int depth, StringBuilder output)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                Items(value.EnumerateObject().ToArray(), '{', '}', property =>
                {
                    WriteJsonString(property.Name, output);
                    output.Append(": ");
                    WriteJson(property.Value, indent, depth + 1, output);
                });
                break;
            case JsonValueKind.Array:
                Items(value.EnumerateArray().ToArray(), '[', ']', item => WriteJson(item, indent, depth + 1, output));
                break;
            case JsonValueKind.String:
                WriteJsonString(value.GetString()!, output);
                break;
            case JsonValueKind.Number:
                output.Append(Number(value));
                break;
            case JsonValueKind.True or JsonValueKind.False:
                output.Append(value.GetBoolean() ? "true" : "false");
                break;
            default:
                output.Append("null");
                break;
        }

        void Items<T>(T[] items, char open, char close, Action<T> write)
        {
            output.Append(open);
            for (var i = 0; i < items.Length; i++)
            {
                if (i > 0)
                    output.Append(indent is null ? ", " : ",");
                NewLine(depth + 1);
                write(items[i]);
            }

            if (items.Length > 0)
                NewLine(depth);
            output.Append(close);
        }

        void NewLine(int level)
        {
            if (indent is { } spaces)
                output.Append('\n').Append(' ', level * spaces);
        }
    }

    private static void WriteRepr(JsonElement value, StringBuilder output)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                output.Append('{');
                var isFirst = true;
                foreach (var property in value.EnumerateObject())
                {
                    output.Append(isFirst ? "" : ", ");
                    isFirst = false;
                    WriteReprString(property.Name, output);
                    output.Append(": ");
                    WriteRepr(property.Value, output);
                }

                output.Append('}');
                break;
            case JsonValueKind.Array:
                output.Append('[');
                isFirst = true;
                foreach (var item in value.EnumerateArray())
                {
                    output.Append(isFirst ? "" : ", ");
                    isFirst = false;
                    WriteRepr(item, output);
                }

                output.Append(']');
                break;
            case JsonValueKind.String:
                WriteReprString(value.GetString()!, output);
                break;
            case JsonValueKind.Number:
                output.Append(Number(value));
                break;
            case JsonValueKind.True or JsonValueKind.False:
                output.Append(value.GetBoolean() ? "True" : "False");
                break;
            default:
                output.Append("None");
                break;
        }
    }

    private static void WriteJsonString(string text, StringBuilder output)
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

    /// <summary>Single quotes, unless only they stand in the text; what cannot be seen is escaped.</summary>
    private static void WriteReprString(string text, StringBuilder output)
    {
        var quote = text.Contains('\'', StringComparison.Ordinal) && !text.Contains('"', StringComparison.Ordinal) ? '"' : '\'';
        output.Append(quote);
        foreach (var rune in text.EnumerateRunes())
        {
            _ = rune.Value switch
            {
                '\\' => output.Append("\\\\"),
                '\n' => output.Append("\\n"),
                '\r' => output.Append("\\r"),
                '\t' => output.Append("\\t"),
                _ when rune.Value == quote => output.Append('\\').Append(quote),
                ' ' => output.Append(' '),
                _ when IsPrintable(rune) => output.Append(rune),
                <= 0xFF => output.Append(CultureInfo.InvariantCulture, $"\\x{rune.Value:x2}"),
                <= 0xFFFF => output.Append(CultureInfo.InvariantCulture, $"\\u{rune.Value:x4}"),
                _ => output.Append(CultureInfo.InvariantCulture, $"\\U{rune.Value:x8}"),
            };
        }

        output.Append(quote);
    }

    private static bool IsPrintable(Rune rune) => Rune.GetUnicodeCategory(rune) is not (UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse
        or UnicodeCategory.OtherNotAssigned or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.SpaceSeparator);

    /// <summary>A whole number stays as it is; another is a float, whose shortest digits .NET finds too: only the place of the point and the exponent differ.</summary>
    private static string Number(JsonElement value)
    {
        var raw = value.GetRawText();
        if (!raw.AsSpan().ContainsAny(".eE"))
            return raw == "-0" ? "0" : raw;
        var number = value.GetDouble();
        var text = number.ToString("E16", CultureInfo.InvariantCulture);
        for (var digits = 0; digits < 17; digits++)
        {
            var candidate = number.ToString($"E{digits}", CultureInfo.InvariantCulture);
            if (double.Parse(candidate, CultureInfo.InvariantCulture) == number)
            {
                text = candidate;
                break;
            }
        }

        var e = text.IndexOf('E', StringComparison.Ordinal);
        var exponent = int.Parse(text.AsSpan(e + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        if (number != 0 && exponent is < -4 or >= 16)
            return string.Create(CultureInfo.InvariantCulture, $"{text[..e]}e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}");
        var digitsBehindPoint = text.Contains('.', StringComparison.Ordinal) ? e - text.IndexOf('.', StringComparison.Ordinal) - 1 : 0;
        return number.ToString($"F{Math.Max(1, digitsBehindPoint - exponent)}", CultureInfo.InvariantCulture);
    }

    [GeneratedRegex(@"^[\p{L}\p{Nl}_][\p{L}\p{Nl}\p{Mn}\p{Mc}\p{Nd}\p{Pc}]*\z")]
    private static partial Regex Identifier();
}
