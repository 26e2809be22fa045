using System.Text.Json;

namespace ChatGLM.Peft.Config;

/// <summary>Reads the fields of an adapter_config.json with their defaults and bounds; every error names the file and the field.</summary>
internal sealed class ConfigFields
{
    /// <summary>Published files have about a kilobyte; a megabyte leaves room for patterns that name every layer.</summary>
    public const int MaxBytes = 1 << 20;

    /// <summary>A config that lists more names than any model has modules is not one.</summary>
    private const int MaxItems = 100_000;

    private readonly JsonElement _root;

    private ConfigFields(string source, JsonElement root)
    {
        Source = source;
        _root = root;
    }

    public string Source { get; }

    public IEnumerable<KeyValuePair<string, JsonElement>> All => _root.EnumerateObject().Select(p => KeyValuePair.Create(p.Name, p.Value));

    public static ConfigFields Parse(string source, ReadOnlyMemory<byte> utf8)
    {
        if (utf8.Length is 0 or > MaxBytes)
            throw new AdapterConfigException(source, null, $"the file has {utf8.Length} bytes, expected 1 to {MaxBytes}: this is not an adapter's configuration.");
        try
        {
            using var document = JsonDocument.Parse(utf8.Span.StartsWith("\uFEFF"u8) ? utf8[3..] : utf8, new JsonDocumentOptions { MaxDepth = 32 });
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                throw new AdapterConfigException(source, null, $"expected a JSON object, found {document.RootElement.ValueKind}.");
            // Reads every name and string once: JSON can spell what is no text, and that must not come up later.
            PythonJson.Render(document.RootElement);
            return new ConfigFields(source, document.RootElement.Clone());
        }
        catch (InvalidOperationException error)
        {
            throw new AdapterConfigException(source, null, "a name or a string holds half of a surrogate pair, which is not text.", error);
        }
        catch (JsonException error)
        {
            throw new AdapterConfigException(source, null, $"the file is not valid JSON, it may be cut off: {error.Message} Download it again.", error);
        }
    }

    public bool Bool(string field, bool fallback) => !TryGet(field, out var value) ? fallback : value.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw Wrong(field, "true or false", value),
    };

    public int Int(string field, int fallback) => TryGet(field, out var value) ? RequireInt(field, value) : fallback;

    public double Double(string field, double fallback) => TryGet(field, out var value) ? RequireDouble(field, value) : fallback;

    public string? String(string field) => !TryGet(field, out var value) ? null : value.ValueKind == JsonValueKind.String ? value.GetString() : throw Wrong(field, "a string", value);

    /// <summary>A list of strings, or a single one, as peft allows.</summary>
    public IReadOnlyList<string>? Strings(string field)
    {
        if (!TryGet(field, out var value))
            return null;
        return value.ValueKind == JsonValueKind.String
            ? [value.GetString()!]
            : Items(field, value, "a list of strings").Select(s => s.ValueKind == JsonValueKind.String ? s.GetString()! : throw Wrong(field, "a list of strings", s)).ToArray();
    }

    /// <summary>A list of names of modules, or one string: a regular expression.</summary>
    public TargetModules? Targets(string field) => !TryGet(field, out var value) ? null
        : value.ValueKind == JsonValueKind.String ? (TargetModules)value.GetString()! : new TargetModules(Strings(field)!);

    /// <summary>A list of whole numbers, or a single one.</summary>
    public IReadOnlyList<int>? Ints(string field)
    {
        if (!TryGet(field, out var value))
            return null;
        return value.ValueKind == JsonValueKind.Number
            ? [RequireInt(field, value)]
            : Items(field, value, "a list of whole numbers").Select(n => RequireInt(field, n)).ToArray();
    }

    /// <summary>A table from names to numbers; empty if there is none.</summary>
    public IReadOnlyDictionary<string, double> Numbers(string field)
    {
        var table = new Dictionary<string, double>(StringComparer.Ordinal);
        if (!TryGet(field, out var value))
            return table;
        if (value.ValueKind != JsonValueKind.Object)
            throw Wrong(field, "an object", value);
        foreach (var property in value.EnumerateObject())
            table[property.Name] = RequireDouble(field, property.Value);
        return table;
    }

    public bool TryGet(string field, out JsonElement value) => _root.TryGetProperty(field, out value) && value.ValueKind != JsonValueKind.Null;

    public AdapterConfigException Wrong(string field, string expected, JsonElement found) =>
        new(Source, field, $"should be {expected}, found {PeftException.Bound(found.GetRawText())}.");

    private IEnumerable<JsonElement> Items(string field, JsonElement value, string expected)
    {
        if (value.ValueKind != JsonValueKind.Array || value.GetArrayLength() > MaxItems)
            throw Wrong(field, expected, value);
        return value.EnumerateArray();
    }

    private int RequireInt(string field, JsonElement value) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number) ? number : throw Wrong(field, "a whole number", value);

    private double RequireDouble(string field, JsonElement value) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number) && double.IsFinite(number) ? number : throw Wrong(field, "a number", value);
}
