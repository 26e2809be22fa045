using System.Text.Json;
using ChatGLM.Formats;

namespace ChatGLM.Models;

/// <summary>Reads the fields of a config.json with their defaults and bounds; every error names the file and the field.</summary>
internal sealed class ConfigReader
{
    /// <summary>Published files are 1 to 5 KB; a megabyte leaves room for long label lists.</summary>
    private const int MaxFileBytes = 1 << 20;

    private readonly JsonElement _root;

    private ConfigReader(string source, JsonElement root)
    {
        Source = source;
        _root = root;
    }

    public string Source { get; }

    public IEnumerable<JsonProperty> Fields => _root.EnumerateObject();

    public static ConfigReader FromFile(string path)
    {
        if (!File.Exists(path))
            throw new ConfigException(path, null, "the file does not exist; a snapshot folder has a config.json beside its weights.");
        return Parse(path, SnapshotFile.Read(path, MaxFileBytes, (problem, cause) => new ConfigException(path, null, problem, cause)));
    }

    public static ConfigReader Parse(string source, ReadOnlyMemory<byte> utf8)
    {
        if (utf8.Length == 0)
            throw new ConfigException(source, null, "the file is empty; download it again.");
        if (utf8.Length > MaxFileBytes)
            throw new ConfigException(source, null, $"the file has {utf8.Length} bytes, expected at most {MaxFileBytes}.");
        try
        {
            using var document = JsonDocument.Parse(WithoutByteOrderMark(utf8), new JsonDocumentOptions { MaxDepth = 32 });
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                throw new ConfigException(source, null, $"expected a JSON object, found {document.RootElement.ValueKind}.");
            RequireText(document.RootElement);
            return new ConfigReader(source, document.RootElement.Clone());
        }
        catch (InvalidOperationException error)
        {
            throw new ConfigException(source, null, "a name or a string holds half of a surrogate pair, which is not text.", error);
        }
        catch (JsonException error)
        {
            throw new ConfigException(source, null, $"the file is not valid JSON, it may be cut off: {error.Message} Download it again.", error);
        }
    }

    public bool Has(string field) => TryGet(field, out _);

    public int Int(string field, int fallback, int min, int max) => TryGet(field, out var value) ? RequireInt(field, value, min, max) : fallback;

    public int? OptionalInt(string field, int min, int max) => TryGet(field, out var value) ? RequireInt(field, value, min, max) : null;

    public double Double(string field, double fallback, double min, double max)
    {
        if (!TryGet(field, out var value))
            return fallback;
        if (value.ValueKind != JsonValueKind.Number || !value.TryGetDouble(out var number) || !(number >= min && number <= max))
            throw Wrong(field, $"a number from {min} to {max}", value);
        return number;
    }

    public double? OptionalDouble(string field, double min, double max) => TryGet(field, out _) ? Double(field, 0, min, max) : null;

    /// <summary>A bool, or the one-element array that a published config class makes of it with a stray comma.</summary>
    public bool Bool(string field, bool fallback)
    {
        if (!TryGet(field, out var value))
            return fallback;
        if (value.ValueKind == JsonValueKind.Array && value.GetArrayLength() == 1)
            value = value[0];
        return value.ValueKind switch
        {
            JsonValueKind.True => true,
            JsonValueKind.False => false,
            _ => throw Wrong(field, "true or false", value),
        };
    }

    public string? String(string field)
    {
        if (!TryGet(field, out var value))
            return null;
        return value.ValueKind == JsonValueKind.String ? value.GetString()! : throw Wrong(field, "a string", value);
    }

    /// <summary>One token id, or a list of them.</summary>
    public IReadOnlyList<int> Ids(string field)
    {
        if (!TryGet(field, out var value))
            return [];
        if (value.ValueKind != JsonValueKind.Array)
            return [RequireInt(field, value, 0, int.MaxValue)];
        return value.EnumerateArray().Select(id => RequireInt(field, id, 0, int.MaxValue)).ToArray();
    }

    public IReadOnlyList<string> Strings(string field)
    {
        if (!TryGet(field, out var value))
            return [];
        if (value.ValueKind != JsonValueKind.Array)
            throw Wrong(field, "a list of strings", value);
        return value.EnumerateArray().Select(s => s.ValueKind == JsonValueKind.String ? s.GetString()! : throw Wrong(field, "a list of strings", s)).ToArray();
    }

    /// <summary>The fields of a nested object.</summary>
    public ConfigReader? Object(string field)
    {
        if (!TryGet(field, out var value))
            return null;
        return value.ValueKind == JsonValueKind.Object ? new ConfigReader(Source, value) : throw Wrong(field, "an object", value);
    }

    /// <summary>The entry of a table of strings, such as <c>auto_map</c>'s <c>AutoModel</c>.</summary>
    public string? StringIn(string field, string key)
    {
        if (!TryGet(field, out var table))
            return null;
        if (table.ValueKind != JsonValueKind.Object)
            throw Wrong(field, "an object", table);
        return table.TryGetProperty(key, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString()! : null;
    }

    public int? CountOf(string field) => TryGet(field, out var table) && table.ValueKind == JsonValueKind.Object ? table.EnumerateObject().Count() : null;

    /// <summary>Reads every name and string once: JSON may spell what is no text, which must not come up later.</summary>
    internal static void RequireText(JsonElement value)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.String:
                value.GetString();
                break;
            case JsonValueKind.Array:
                foreach (var item in value.EnumerateArray())
                    RequireText(item);
                break;
            case JsonValueKind.Object:
                foreach (var property in value.EnumerateObject())
                {
                    _ = property.Name;
                    RequireText(property.Value);
                }

                break;
        }
    }

    private static ReadOnlyMemory<byte> WithoutByteOrderMark(ReadOnlyMemory<byte> utf8) =>
        utf8.Span.StartsWith("\uFEFF"u8) ? utf8[3..] : utf8;

    private bool TryGet(string field, out JsonElement value) => _root.TryGetProperty(field, out value) && value.ValueKind != JsonValueKind.Null;

    private int RequireInt(string field, JsonElement value, int min, int max)
    {
        if (value.ValueKind != JsonValueKind.Number || !value.TryGetInt32(out var number) || number < min || number > max)
            throw Wrong(field, $"a whole number from {min} to {max}", value);
        return number;
    }

    private ConfigException Wrong(string field, string expected, JsonElement found)
    {
        var text = found.GetRawText();
        return new ConfigException(Source, field, $"should be {expected}, found {(text.Length > 60 ? text[..60] + "..." : text)}.");
    }
}
