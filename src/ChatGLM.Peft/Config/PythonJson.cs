using System.Globalization;
using System.Text;
using System.Text.Json;

namespace ChatGLM.Peft.Config;

/// <summary>Writes JSON text as Python's <c>json.dumps(indent=2, sort_keys=True)</c> does, so that a file written here is the file that peft would have written.</summary>
internal static class PythonJson
{
    private const string Indent = "  ";

    public static string Bool(bool value) => value ? "true" : "false";

    public static string Int(long value) => value.ToString(CultureInfo.InvariantCulture);

    public static string Float(double value) => WithPoint(value.ToString("R", CultureInfo.InvariantCulture));

    /// <summary>The fewest digits that mean the same float: 0.1f is written 0.1.</summary>
    public static string Float(float value) => WithPoint(value.ToString("R", CultureInfo.InvariantCulture));

    /// <summary>A whole number without a point, as Python keeps an int.</summary>
    public static string Number(double value) => value == Math.Truncate(value) && Math.Abs(value) < 1e15 ? Int((long)value) : Float(value);

    public static string String(string? value)
    {
        if (value is null)
            return "null";
        var text = new StringBuilder(value.Length + 2).Append('"');
        foreach (var c in value)
        {
            _ = c switch
            {
                '"' => text.Append("\\\""),
                '\\' => text.Append("\\\\"),
                '\n' => text.Append("\\n"),
                '\r' => text.Append("\\r"),
                '\t' => text.Append("\\t"),
                '\b' => text.Append("\\b"),
                '\f' => text.Append("\\f"),
                < ' ' or > '~' => text.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"),
                _ => text.Append(c),
            };
        }

        return text.Append('"').ToString();
    }

    public static string Targets(TargetModules? targets) => targets switch
    {
        null => "null",
        { Pattern: { } pattern } => String(pattern),
        _ => List(targets.Names.Select(String)),
    };

    /// <summary>A list inside the top object.</summary>
    public static string List(IEnumerable<string> items, int depth = 1)
    {
        var all = items.ToList();
        return all.Count == 0 ? "[]" : Enclose('[', all, ']', depth);
    }

    /// <summary>An object, its names sorted.</summary>
    public static string Object(IEnumerable<KeyValuePair<string, string>> fields, int depth)
    {
        var all = fields.OrderBy(f => f.Key, StringComparer.Ordinal).Select(f => $"{String(f.Key)}: {f.Value}").ToList();
        return all.Count == 0 ? "{}" : Enclose('{', all, '}', depth);
    }

    /// <summary>A value that was read from a file.</summary>
    public static string Render(JsonElement value, int depth = 1) => value.ValueKind switch
    {
        JsonValueKind.Object => Object(value.EnumerateObject().Select(p => KeyValuePair.Create(p.Name, Render(p.Value, depth + 1))), depth),
        JsonValueKind.Array => List(value.EnumerateArray().Select(item => Render(item, depth + 1)), depth),
        JsonValueKind.String => String(value.GetString()),
        _ => value.GetRawText(),
    };

    private static string Enclose(char open, List<string> items, char close, int depth)
    {
        var text = new StringBuilder().Append(open);
        for (var i = 0; i < items.Count; i++)
        {
            text.Append(i == 0 ? "\n" : ",\n");
            for (var level = 0; level <= depth; level++)
                text.Append(Indent);
            text.Append(items[i]);
        }

        text.Append('\n');
        for (var level = 0; level < depth; level++)
            text.Append(Indent);
        return text.Append(close).ToString();
    }

    private static string WithPoint(string digits) => digits.AsSpan().ContainsAny('.', 'E', 'N') ? digits.Replace("E", "e", StringComparison.Ordinal) : digits + ".0";
}
