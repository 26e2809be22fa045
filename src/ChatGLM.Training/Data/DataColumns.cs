namespace ChatGLM.Training;

/// <summary>Which columns of a data file hold what.</summary>
/// <param name="Prompt">The question.</param>
/// <param name="Response">The answer.</param>
/// <param name="Input">What the question is about, put on a line behind it; null for nothing.</param>
/// <param name="History">The rounds before; null for none.</param>
public sealed record DataColumns(string Prompt, string Response, string? Input = null, string? History = null)
{
    private static readonly DataColumns[] Known =
    [
        new("content", "summary"),
        new("context", "target"),
        new("instruction", "output", "input"),
        new("prompt", "response", null, "history"),
        new("prompt", "completion"),
        new("question", "answer"),
        new("query", "response", null, "history"),
    ];

    /// <summary>
    /// The columns of files as they are passed around: content/summary (AdvertiseGen), context/target, instruction/input/output (Alpaca), prompt/response with history, prompt/completion,
    /// question/answer.
    /// </summary>
    /// <param name="record">A record of the file.</param>
    /// <exception cref="TrainingDataException">It has none of these pairs.</exception>
    public static DataColumns Detect(TrainingRecord record)
    {
        ArgumentNullException.ThrowIfNull(record);
        if (Known.FirstOrDefault(columns => record.Has(columns.Prompt) && record.Has(columns.Response)) is not { } found)
        {
            throw new TrainingDataException(
                record.Origin,
                $"expected columns such as {string.Join(", ", Known.Take(4).Select(columns => $"{columns.Prompt}/{columns.Response}"))}, found {string.Join(", ", record.Columns.Take(16))}. "
                + "Name the columns with prompt_column and response_column.");
        }

        return found with
        {
            Input = found.Input is { } input && record.Has(input) ? input : null,
            History = found.History is { } history && record.Has(history) ? history : null,
        };
    }
}
