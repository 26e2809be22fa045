namespace ChatGLM.Training;

/// <summary>Reads data files record by record: a file of any size takes the memory of its largest record.</summary>
public static class TrainingFile
{
    /// <summary>
    /// The records of a file. <c>.csv</c> has a header line; <c>.txt</c> makes a record with the column <c>text</c> of each line; anything else is JSON: an array of objects, an
    /// object per line, or objects one after another without anything between them.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <exception cref="TrainingDataException">The file is damaged; the message names the record.</exception>
    public static IEnumerable<TrainingRecord> ReadRecords(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return Path.GetExtension(path).ToLowerInvariant() switch
        {
            ".csv" => CsvRecords.Read(path),
            ".txt" => File.ReadLines(path).Select((line, i) => new TrainingRecord($"{path}, line {i + 1}", new Dictionary<string, string> { ["text"] = line })),
            _ => JsonRecords.Read(path),
        };
    }
}
