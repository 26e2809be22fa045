namespace ChatGLM.Training;

/// <summary>Reads data files record by record: a file of any size takes the memory of its largest record.</summary>
public static class TrainingFile
{
    /// <summary>
    /// The records of a file. <c>.csv</c> has a header line; <c>.txt</c> makes a record with the column <c>text</c> of each line; anything else is JSON: an array of objects, an
    /// object per line, or objects one after another without anything between them.
    /// </summary>
    /// <param name="path">The file, in UTF-8.</param>
    /// <returns>Records that are read while they are enumerated.</returns>
    /// <exception cref="TrainingDataException">There is no such file, or it is damaged; the message names record, line and byte.</exception>
    public static IEnumerable<TrainingRecord> ReadRecords(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (!File.Exists(path))
            throw new TrainingDataException(path, Directory.Exists(path) ? "this is a folder. Name a file of records." : "there is no such file.");
        return Deferred(path);
    }

    /// <summary>The records of a stream, such as an unpacked one.</summary>
    /// <param name="stream">Read from where it stands, and disposed at the end.</param>
    /// <param name="name">A name for errors, whose extension says what the stream holds, as with a file.</param>
    /// <exception cref="TrainingDataException">The data is damaged; the message names record, line and byte.</exception>
    public static IEnumerable<TrainingRecord> ReadRecords(Stream stream, string name)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentException.ThrowIfNullOrEmpty(name);
        return Path.GetExtension(name).ToLowerInvariant() switch
        {
            ".csv" => CsvRecords.Read(stream, name),
            ".txt" => TextRecords.Read(stream, name),
            _ => JsonRecords.Read(stream, name),
        };
    }

    /// <summary>Opens a data file to be read once from front to back.</summary>
    internal static FileStream OpenRead(string path)
    {
        try
        {
            return new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 1, FileOptions.SequentialScan);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new TrainingDataException(path, $"it cannot be read: {error.Message}");
        }
    }

    private static IEnumerable<TrainingRecord> Deferred(string path)
    {
        foreach (var record in ReadRecords(OpenRead(path), path))
            yield return record;
    }
}
