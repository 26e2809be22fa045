using System.Text.Json;

namespace ChatGLM.Generation;

/// <summary>One value of a generation_config.json while it is read; null in the file is null here.</summary>
internal readonly struct GenerationConfigField(JsonElement value, string name, string source)
{
    private bool IsNull => value.ValueKind == JsonValueKind.Null;

    public int? Int() => IsNull ? null : Int(value);

    public double? Double() => IsNull ? null : Double(value);

    public bool? Bool() => value.ValueKind switch
    {
        JsonValueKind.Null => null,
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw Wrong("true or false"),
    };

    public EarlyStopping EarlyStopping() => value.ValueKind switch
    {
        JsonValueKind.True => Generation.EarlyStopping.True,
        JsonValueKind.False or JsonValueKind.Null => Generation.EarlyStopping.False,
        JsonValueKind.String when value.ValueEquals("never") => Generation.EarlyStopping.Never,
        _ => throw Wrong("true, false or \"never\""),
    };

    /// <summary>A token or a list of them.</summary>
    public int[]? Tokens() => IsNull ? null : value.ValueKind == JsonValueKind.Number ? [Int(value)] : Tokens(value);

    public int[][]? TokenLists() => IsNull ? null : Items(value, "a list of lists of token ids").Select(Tokens).ToArray();

    public string[]? Strings() => value.ValueKind switch
    {
        JsonValueKind.Null => null,
        JsonValueKind.String => [value.GetString()!],
        _ => Items(value, "a text or a list of texts").Select(Text).ToArray(),
    };

    public SequenceBias[]? SequenceBias() => IsNull ? null : Items(value, "a list of [[token ids], bias]").Select(Bias).ToArray();

    public (int StartIndex, double DecayFactor)? Decay()
    {
        if (IsNull)
            return null;
        var pair = Items(value, "[start, factor]");
        return pair.Length == 2 ? (Int(pair[0]), Double(pair[1])) : throw Wrong("[start, factor]");
    }

    private SequenceBias Bias(JsonElement element)
    {
        var pair = Items(element, "a list of [[token ids], bias]");
        return pair.Length == 2 ? new SequenceBias(Tokens(pair[0]), Double(pair[1])) : throw Wrong("a list of [[token ids], bias]");
    }

    private int[] Tokens(JsonElement element) => Items(element, "token ids").Select(Int).ToArray();

    private JsonElement[] Items(JsonElement element, string expected) =>
        element.ValueKind == JsonValueKind.Array ? [.. element.EnumerateArray()] : throw Wrong(expected);

    private string Text(JsonElement element) => element.ValueKind == JsonValueKind.String ? element.GetString()! : throw Wrong("a text or a list of texts");

    // Python writes whole numbers as 20, and as 20.0 after arithmetic.
    private int Int(JsonElement element) =>
        element.ValueKind == JsonValueKind.Number && element.TryGetDouble(out var number) && number == Math.Truncate(number)
        && number is >= int.MinValue and <= int.MaxValue
            ? (int)number
            : throw Wrong($"a whole number of at most {int.MaxValue}");

    private double Double(JsonElement element) =>
        element.ValueKind == JsonValueKind.Number && element.TryGetDouble(out var number) && double.IsFinite(number)
            ? number
            : throw Wrong("a number");

    private GenerationConfigException Wrong(string expected)
    {
        var found = value.GetRawText();
        if (found.Length > 100)
            found = found[..100] + "...";
        return new GenerationConfigException(name, $"'{source}': the generation option '{name}' is {found}; it must be {expected}.");
    }
}
