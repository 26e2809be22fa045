using System.Globalization;
using System.Text.Json;

namespace ChatGLM.Samples.Server.Http;

/// <summary>
/// The fields of one JSON object of a request, each asked for by name. Every error says which field, what was found and what was expected; <see cref="RequireNoOthers"/> finds those that nobody asked
/// for, a mistyped name among them.
/// </summary>
internal sealed class JsonFields
{
    private readonly Dictionary<string, JsonElement> _fields = new(StringComparer.Ordinal);
    private readonly string _path;

    /// <param name="element">The object.</param>
    /// <param name="path">Where it is in the request, such as <c>messages[3]</c>; empty for the request itself.</param>
    public JsonFields(JsonElement element, string path = "")
    {
        _path = path;
        if (element.ValueKind != JsonValueKind.Object)
            throw ApiException.Invalid($"{(path.Length == 0 ? "The body" : $"'{path}'")} is {Describe(element)}, expected an object.", path.Length == 0 ? null : path);
        try
        {
            foreach (var property in element.EnumerateObject())
                _fields.Add(property.Name, property.Value);
        }
        catch (InvalidOperationException error)
        {
            throw NotText(path, error);
        }
    }

    /// <summary>Where a field is in the request.</summary>
    public string PathOf(string name) => _path.Length == 0 ? name : $"{_path}.{name}";

    /// <summary>A field's value; null if it is missing or null.</summary>
    public JsonElement? Take(string name) => _fields.Remove(name, out var value) && value.ValueKind is not JsonValueKind.Null ? value : null;

    public string? String(string name) => Take(name) is { } value ? Text(value, PathOf(name)) : null;

    public string RequiredString(string name) => String(name) ?? throw Missing(name, "text");

    public bool? Boolean(string name) => Take(name) is not { } value ? null : value.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw Wrong(name, value, "true or false"),
    };

    public long? Integer(string name, long least = long.MinValue, long most = long.MaxValue)
    {
        if (Take(name) is not { } value)
            return null;
        var expected = string.Create(CultureInfo.InvariantCulture, $"a whole number from {least} to {most}");
        return value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var number) && number >= least && number <= most ? number : throw Wrong(name, value, expected);
    }

    public float? Number(string name, float least, float most)
    {
        if (Take(name) is not { } value)
            return null;
        return value.ValueKind == JsonValueKind.Number && value.TryGetSingle(out var number) && number >= least && number <= most
            ? number
            : throw Wrong(name, value, string.Create(CultureInfo.InvariantCulture, $"a number from {least} to {most}"));
    }

    /// <summary>The elements of an array, each with its path; null if it is missing.</summary>
    public IReadOnlyList<(JsonElement Element, string Path)>? Array(string name, int most)
    {
        if (Take(name) is not { } value)
            return null;
        if (value.ValueKind != JsonValueKind.Array)
            throw Wrong(name, value, "an array");
        return Elements(value, PathOf(name), most);
    }

    /// <summary>One text, or several in an array; null if it is missing.</summary>
    public IReadOnlyList<string>? Strings(string name, int most)
    {
        if (Take(name) is not { } value)
            return null;
        return value.ValueKind switch
        {
            JsonValueKind.String => [Text(value, PathOf(name))],
            JsonValueKind.Array => [.. Elements(value, PathOf(name), most).Select(e => Text(e.Element, e.Path))],
            _ => throw Wrong(name, value, "text, or an array of texts"),
        };
    }

    /// <summary>Takes fields that change nothing here, whatever they hold.</summary>
    public void Ignore(params ReadOnlySpan<string> names)
    {
        foreach (var name in names)
            _fields.Remove(name);
    }

    /// <summary>Refuses a field that asks for something that is not there, unless its value asks for nothing.</summary>
    /// <param name="name">The field.</param>
    /// <param name="asksForNothing">Whether a value is the one that clients send for nothing.</param>
    /// <param name="instead">What to do.</param>
    public void Refuse(string name, Func<JsonElement, bool> asksForNothing, string instead)
    {
        if (Take(name) is { } value && !asksForNothing(value))
            throw ApiException.Invalid($"'{PathOf(name)}' is {Describe(value)}, which this server cannot do. {instead}", PathOf(name), "unsupported_parameter");
    }

    /// <summary>Refuses what nobody has asked for.</summary>
    public void RequireNoOthers()
    {
        if (_fields.Count == 0)
            return;
        var name = _fields.Keys.First();
        throw ApiException.Invalid($"There is no field '{PathOf(Short(name))}' here. Correct its name, or leave it out.", PathOf(Short(name)), "unknown_parameter");
    }

    public ApiException Missing(string name, string expected) => ApiException.Invalid($"'{PathOf(name)}' is missing, expected {expected}.", PathOf(name), "missing_required_parameter");

    public ApiException Wrong(string name, JsonElement found, string expected) => Wrong(PathOf(name), Describe(found), expected);

    public static ApiException Wrong(string path, string found, string expected) => ApiException.Invalid($"'{path}' is {found}, expected {expected}.", path);

    /// <summary>A value as text.</summary>
    public static string Text(JsonElement value, string path)
    {
        if (value.ValueKind != JsonValueKind.String)
            throw Wrong(path, Describe(value), "text");
        try
        {
            return value.GetString()!;
        }
        catch (InvalidOperationException error)
        {
            throw NotText(path, error);
        }
    }

    /// <summary>Whether a value is this word. What is no valid Unicode is no word.</summary>
    public static bool Is(JsonElement value, string word)
    {
        try
        {
            return value.ValueKind == JsonValueKind.String && value.ValueEquals(word);
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }

    public static string Describe(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => $"an array of {value.GetArrayLength()}",
        JsonValueKind.String => "text",
        JsonValueKind.Number => Short(value.GetRawText()),
        JsonValueKind.True => "true",
        JsonValueKind.False => "false",
        _ => "null",
    };

    private static List<(JsonElement Element, string Path)> Elements(JsonElement array, string path, int most)
    {
        if (array.GetArrayLength() > most)
            throw ApiException.Invalid($"'{path}' has {array.GetArrayLength()} elements, expected at most {most}.", path, "too_many_elements");
        return [.. array.EnumerateArray().Select((element, i) => (element, string.Create(CultureInfo.InvariantCulture, $"{path}[{i}]")))];
    }

    /// <summary>Half of a surrogate pair can be written in JSON, but is no text.</summary>
    public static ApiException NotText(string path, InvalidOperationException error) => ApiException.Invalid(
        $"{(path.Length == 0 ? "The body" : $"'{path}'")} holds text that is no valid Unicode ({error.Message}).", path.Length == 0 ? null : path, "invalid_unicode");

    /// <summary>Looks at every text inside a value that is passed on as it is.</summary>
    /// <exception cref="ApiException">One is no valid Unicode.</exception>
    public static void RequireText(JsonElement value, string path)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.String:
                Text(value, path);
                break;
            case JsonValueKind.Array:
                foreach (var item in value.EnumerateArray())
                    RequireText(item, path);
                break;
            case JsonValueKind.Object:
                foreach (var property in value.EnumerateObject())
                    RequireText(property.Value, path);
                break;
        }
    }

    private static string Short(string text) => text.Length <= 40 ? text : text[..40] + "...";
}
