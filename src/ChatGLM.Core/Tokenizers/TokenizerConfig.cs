using System.Globalization;
using System.Text.Json;

namespace ChatGLM.Tokenizers;

/// <summary>A <c>tokenizer_config.json</c>, read with the kind of each value checked.</summary>
internal sealed class TokenizerConfig
{
    private readonly JsonElement _json;

    private TokenizerConfig(string path, JsonElement json)
    {
        Path = path;
        _json = json;
    }

    public string Path { get; }

    public JsonElement Json => _json;

    /// <exception cref="TokenizerException">The file is no JSON object.</exception>
    public static TokenizerConfig Parse(string path, ReadOnlyMemory<byte> utf8)
    {
        // JsonDocument finds this out only when the string in question is asked for.
        if (!System.Text.Unicode.Utf8.IsValid(utf8.Span))
            throw new TokenizerException($"{path}: this is no UTF-8 text. Download the file again.");
        try
        {
            using var document = JsonDocument.Parse(utf8);
            Models.ConfigReader.RequireText(document.RootElement);
            if (document.RootElement.ValueKind == JsonValueKind.Object)
                return new TokenizerConfig(path, document.RootElement.Clone());
            throw new TokenizerException($"{path}: expected a JSON object, found {document.RootElement.ValueKind}. Download the file again.");
        }
        catch (JsonException e)
        {
            throw new TokenizerException($"{path}: this is no JSON ({e.Message}). Download the file again.", e);
        }
        catch (InvalidOperationException e)
        {
            throw new TokenizerException($"{path}: a name or a string holds half of a surrogate pair, which is not text. Correct the file.", e);
        }
    }

    public string? GetString(string key)
    {
        if (!_json.TryGetProperty(key, out var value) || value.ValueKind == JsonValueKind.Null)
            return null;
        return value.ValueKind == JsonValueKind.String ? value.GetString()! : throw Unexpected(key, "a string", value);
    }

    public bool GetBool(string key, bool standard)
    {
        if (!_json.TryGetProperty(key, out var value) || value.ValueKind == JsonValueKind.Null)
            return standard;
        return value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : throw Unexpected(key, "true or false", value);
    }

    public int GetInt(string key, int standard, int min, int max)
    {
        if (!_json.TryGetProperty(key, out var value) || value.ValueKind == JsonValueKind.Null)
            return standard;
        return value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number) && number >= min && number <= max
            ? number
            : throw Unexpected(key, string.Create(CultureInfo.InvariantCulture, $"a whole number from {min} to {max}"), value);
    }

    /// <summary>A token: its text, or an object that has it under <c>content</c>.</summary>
    public string GetToken(string key, string standard)
    {
        if (!_json.TryGetProperty(key, out var value) || value.ValueKind == JsonValueKind.Null)
            return standard;
        if (value.ValueKind == JsonValueKind.Object && value.TryGetProperty("content", out var content))
            value = content;
        var text = value.ValueKind == JsonValueKind.String ? value.GetString()! : throw Unexpected(key, "a token", value);
        return text.Length > 0 ? text : throw Unexpected(key, "a token", value);
    }

    private TokenizerException Unexpected(string key, string expected, JsonElement found)
    {
        var text = found.GetRawText();
        return new TokenizerException($"{Path}: '{key}' should be {expected}, but is {(text.Length > 80 ? text[..80] + "..." : text)}. Correct the file.");
    }
}
