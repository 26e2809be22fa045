using System.Text.Json;

namespace ChatGLM.Training;

/// <summary>One record of a data file: columns by name.</summary>
public sealed class TrainingRecord
{
    private readonly JsonElement _json;
    private readonly IReadOnlyDictionary<string, string>? _texts;
    private readonly RecordOrigin _place;
    private readonly string? _origin;

    /// <summary>Makes a record of texts.</summary>
    /// <param name="origin">Where it comes from, for errors.</param>
    /// <param name="columns">The texts by column.</param>
    public TrainingRecord(string origin, IReadOnlyDictionary<string, string> columns)
    {
        ArgumentNullException.ThrowIfNull(origin);
        ArgumentNullException.ThrowIfNull(columns);
        (_origin, _texts) = (origin, columns);
    }

    internal TrainingRecord(RecordOrigin place, JsonElement json) => (_place, _json) = (place, json);

    internal TrainingRecord(RecordOrigin place, IReadOnlyDictionary<string, string> texts) => (_place, _texts) = (place, texts);

    /// <summary>The file and the number of the record, with its line and byte, for errors.</summary>
    public string Origin => _origin ?? _place.ToString();

    /// <summary>The names of its columns.</summary>
    public IEnumerable<string> Columns => _texts?.Keys ?? _json.EnumerateObject().Select(NameOf);

    /// <summary>Whether there is such a column, even an empty one.</summary>
    public bool Has(string column) => _texts?.ContainsKey(column) ?? _json.TryGetProperty(column, out _);

    /// <summary>The text of a column; empty if it is null.</summary>
    /// <exception cref="TrainingDataException">There is no such column, or it holds no text.</exception>
    public string Text(string column)
    {
        if (_texts is not null && _texts.TryGetValue(column, out var text))
            return text;
        if (_texts is not null || !_json.TryGetProperty(column, out var value))
            throw new TrainingDataException(Origin, $"there is no column '{column}', but {string.Join(", ", Columns.Take(16))}. Name the columns with prompt_column and response_column.");
        return value.ValueKind switch
        {
            JsonValueKind.String => TextOf(value, column),
            JsonValueKind.Null => "",
            JsonValueKind.Number => value.GetRawText(),
            _ => throw new TrainingDataException(Origin, $"column '{column}': expected text, found {Kind(value)}."),
        };
    }

    /// <summary>The rounds of a chat before a question: an array of [question, answer]. Empty if the column is missing or null.</summary>
    /// <exception cref="TrainingDataException">It holds something else.</exception>
    public IReadOnlyList<(string Query, string Response)> History(string column) => Json(column) is { } value ? Rounds(value, column) : [];

    /// <summary>A column as JSON: the value itself, or what stands in its text; null if the column is missing, null or empty.</summary>
    /// <param name="column">The column.</param>
    /// <exception cref="TrainingDataException">It holds text that is no JSON.</exception>
    public JsonElement? Json(string column)
    {
        if (_texts is null)
            return _json.TryGetProperty(column, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;
        if (!_texts.TryGetValue(column, out var text) || text.Length == 0)
            return null;
        try
        {
            using var document = JsonDocument.Parse(text);
            return document.RootElement.Clone();
        }
        catch (JsonException error)
        {
            throw new TrainingDataException(Origin, $"column '{column}': expected JSON such as [[\"question\", \"answer\"]]: {error.Message}");
        }
    }

    /// <summary>The text of a JSON string, which can hold escapes and bytes that stand for no character.</summary>
    internal string TextOf(JsonElement value, string column)
    {
        try
        {
            return value.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw NoText($"column '{column}'");
        }
    }

    internal static string Kind(JsonElement value) => value.ValueKind.ToString().ToLowerInvariant();

    private string NameOf(JsonProperty property)
    {
        try
        {
            return property.Name;
        }
        catch (InvalidOperationException)
        {
            throw NoText("the name of a column");
        }
    }

    private TrainingDataException NoText(string where) =>
        new(Origin, $"{where}: the text is no valid Unicode: it holds half of a surrogate pair, or bytes that are not UTF-8. Correct or remove the record.");

    private List<(string Query, string Response)> Rounds(JsonElement value, string column)
    {
        if (value.ValueKind != JsonValueKind.Array)
            throw new TrainingDataException(Origin, $"column '{column}': expected an array of rounds, found {Kind(value)}.");
        var rounds = new List<(string Query, string Response)>();
        foreach (var round in value.EnumerateArray())
        {
            if (round.ValueKind != JsonValueKind.Array || round.GetArrayLength() != 2 || round[0].ValueKind != JsonValueKind.String || round[1].ValueKind != JsonValueKind.String)
                throw new TrainingDataException(Origin, $"column '{column}': each round is [question, answer], found {Kind(round)}.");
            rounds.Add((TextOf(round[0], column), TextOf(round[1], column)));
        }

        return rounds;
    }
}
