using System.Text;

namespace ChatGLM.Training;

/// <summary>Comma-separated values with a header line, quoted as RFC 4180 says.</summary>
internal static class CsvRecords
{
    private const int LargestFieldChars = 16 << 20;

    public static IEnumerable<TrainingRecord> Read(string path)
    {
        using var reader = new StreamReader(path, Encoding.UTF8);
        if (ReadRow(reader, $"{path}, header") is not { } header)
            yield break;
        for (var number = 1; ReadRow(reader, $"{path}, record {number}") is { } row; number++)
        {
            if (row is [""])
                continue;
            var origin = $"{path}, record {number}";
            if (row.Count != header.Count)
                throw new TrainingDataException(origin, $"expected {header.Count} fields as in the header, found {row.Count}. Quote fields that hold commas or line ends.");
            var columns = new Dictionary<string, string>();
            for (var i = 0; i < row.Count; i++)
            {
                if (!columns.TryAdd(header[i], row[i]))
                    throw new TrainingDataException(origin, $"the header names the column '{header[i]}' twice.");
            }

            yield return new TrainingRecord(origin, columns);
        }
    }

    private static List<string>? ReadRow(StreamReader reader, string origin)
    {
        if (reader.Peek() < 0)
            return null;
        var (row, field, isQuoted, wasQuoted) = (new List<string>(), new StringBuilder(), false, false);
        while (true)
        {
            var c = reader.Read();
            if (field.Length > LargestFieldChars)
                throw new TrainingDataException(origin, $"a field is longer than {LargestFieldChars} characters. Is a quote missing?");
            if (isQuoted)
            {
                if (c < 0)
                    throw new TrainingDataException(origin, "the file ends inside a quoted field.");
                if (c != '"')
                    field.Append((char)c);
                else if (reader.Peek() == '"')
                    field.Append((char)reader.Read());
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
