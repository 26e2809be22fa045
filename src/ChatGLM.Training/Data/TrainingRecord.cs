using System.Text.Json;

namespace ChatGLM.Training;

/// <summary>One record of a data file: columns by name.</summary>
public sealed class TrainingRecord
{
    private readonly JsonElement _json;
    private readonly IReadOnlyDictionary<string, string>? _texts;

    internal TrainingRecord(string origin, JsonElement json) => (Origin, _json) = (origin, json);

    internal TrainingRecord(string origin, IReadOnlyDictionary<string, string> texts) => (Origin, _texts) = (origin, texts);

    /// <summary>The file and the number of the record, for errors.</summary>
    public string Origin { get; }

    /// <summary>The names of its columns.</summary>
    public IEnumerable<string> Columns => _texts?.Keys ?? _json.EnumerateObject().Select(property => property.Name);

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
            JsonValueKind.String => value.GetString()!,
            JsonValueKind.Null => "",
            JsonValueKind.Number => value.GetRawText(),
            _ => throw new TrainingDataException(Origin, $"column '{column}': expected text, found {value.ValueKind.ToString().ToLowerInvariant()}."),
        };
    }

    /// <summary>The rounds of a chat before a question: an array of [question, answer]. Empty if the column is missing or null.</summary>
    /// <exception cref="TrainingDataException">It holds something else.</exception>
    public IReadOnlyList<(string Query, string Response)> History(string column)
    {
        if (_texts is not null)
        {
            if (!_texts.TryGetValue(column, out var text) || text.Length == 0)
                return [];
            try
            {
                using var document = JsonDocument.Parse(text);
                return Rounds(document.RootElement, column);
            }
            catch (JsonException error)
            {
                throw new TrainingDataException(Origin, $"column '{column}': expected JSON such as [[\"question\", \"answer\"]]: {error.Message}");
            }
        }

        return _json.TryGetProperty(column, out var value) && value.ValueKind != JsonValueKind.Null ? Rounds(value, column) : [];
    }

    private List<(string Query, string Response)> Rounds(JsonElement value, string column)
    {
        var rounds = new List<(string Query, string Response)>();
        if (value.ValueKind == JsonValueKind.Array)
        {
            foreach (var round in value.EnumerateArray())
            {
                if (round.ValueKind != JsonValueKind.Array || round.GetArrayLength() != 2 || round[0].ValueKind != JsonValueKind.String || round[1].ValueKind != JsonValueKind.String)
                    throw new TrainingDataException(Origin, $"column '{column}': each round is [question, answer], found {round.ValueKind.ToString().ToLowerInvariant()}.");
                rounds.Add((round[0].GetString()!, round[1].GetString()!));
            }

            return rounds;
        }

        throw new TrainingDataException(Origin, $"column '{column}': expected an array of rounds, found {value.ValueKind.ToString().ToLowerInvariant()}.");
    }
}
