using System.Text;

namespace ChatGLM.Training;

/// <summary>A record with the column <c>text</c> of each line, empty ones too.</summary>
internal static class TextRecords
{
    public const string Column = "text";

    public static IEnumerable<TrainingRecord> Read(Stream stream, string path)
    {
        using var source = new TextSource(stream, path);
        var line = new StringBuilder();
        for (long number = 1; source.Peek() >= 0; number++)
        {
            var origin = new RecordOrigin(path, number, source.Line);
            line.Clear();
            int c;
            while ((c = source.Read()) is not ('\n' or < 0))
            {
                if (line.Length >= TextSource.LargestTextChars)
                    throw source.TooLong(origin.ToString());
                line.Append((char)c);
            }

            if (line.Length > 0 && line[^1] == '\r')
                line.Length--;
            yield return new TrainingRecord(origin, new Dictionary<string, string> { [Column] = line.ToString() });
        }
    }
}
