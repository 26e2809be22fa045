using System.Text;

namespace ChatGLM.Training;

/// <summary>Comma-separated values with a header line, quoted as RFC 4180 says.</summary>
internal static class CsvRecords
{
    private const int MostColumns = 4096;

    public static IEnumerable<TrainingRecord> Read(Stream stream, string path)
    {
        using var source = new TextSource(stream, path);
        if (ReadRow(source, new RecordOrigin(path, 0, 1)) is not { } header)
            yield break;
        if (header.GroupBy(name => name).FirstOrDefault(group => group.Count() > 1) is { } twice)
            throw new TrainingDataException($"{path}, line 1", $"the header names the column '{twice.Key}' twice. Rename one of them.");
        for (long number = 1; ; number++)
        {
            var origin = new RecordOrigin(path, number, source.Line);
            if (ReadRow(source, origin) is not { } row)
                yield break;
            if (row is [""])
                continue;
            if (row.Count != header.Count)
                throw new TrainingDataException(origin.ToString(), $"expected {header.Count} fields as in the header, found {row.Count}. Quote fields that hold commas or line ends.");
            var columns = new Dictionary<string, string>(row.Count);
            for (var i = 0; i < row.Count; i++)
                columns.Add(header[i], row[i]);
            yield return new TrainingRecord(origin, columns);
        }
    }

    private static List<string>? ReadRow(TextSource source, RecordOrigin origin)
    {
        if (source.Peek() < 0)
            return null;
        var (row, field, isQuoted, wasQuoted) = (new List<string>(), new StringBuilder(), false, false);
        while (true)
        {
            var c = source.Read();
            if (field.Length > TextSource.LargestTextChars)
                throw source.TooLong(origin.ToString());
            if (isQuoted)
            {
                if (c < 0)
                    throw new TrainingDataException(origin.ToString(), "the file ends inside a quoted field. Close the quote, or double it where it belongs to the text.");
                if (c != '"')
                    field.Append((char)c);
                else if (source.Peek() == '"')
                    field.Append((char)source.Read());
                else
                    isQuoted = false;
            }
            else if (c == '"' && field.Length == 0 && !wasQuoted)
            {
                (isQuoted, wasQuoted) = (true, true);
            }
            else if (c is ',' or '\n' or < 0)
            {
                if (c != ',' && !wasQuoted && field.Length > 0 && field[^1] == '\r')
                    field.Length--;
                row.Add(field.ToString());
                if (row.Count > MostColumns)
                    throw new TrainingDataException(origin.ToString(), $"it has more than {MostColumns} fields. Is this a file of comma-separated values?");
                field.Clear();
                wasQuoted = false;
                if (c != ',')
                    return row;
            }
            else if (!(wasQuoted && c == '\r'))
            {
                field.Append((char)c);
            }
        }
    }
}
