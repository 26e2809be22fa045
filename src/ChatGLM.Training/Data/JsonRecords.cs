using System.Text.Json;

namespace ChatGLM.Training;

/// <summary>JSON objects in an array, one per line, or directly one after another.</summary>
internal static class JsonRecords
{
    private const int LargestRecordBytes = 64 << 20;
    private const int FirstBufferBytes = 1 << 16;

    public static IEnumerable<TrainingRecord> Read(string path)
    {
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 1, FileOptions.SequentialScan);
        var buffer = new byte[FirstBufferBytes];
        var (start, end, isEnd, isArray, number) = (0, 0, false, false, 0);
        while (true)
        {
            // To the next record: white space, commas of the array, its brackets, and the mark that some editors put at the front of a file.
            while (start < end && IsBetween(buffer.AsSpan(start, end - start), number, ref isArray, out var skipped))
                start += skipped;
            if (start < end)
            {
                var origin = $"{path}, record {number + 1}";
                if (TryParse(buffer.AsSpan(start, end - start), isEnd, origin, out var record, out var consumed))
                {
                    start += consumed;
                    number++;
                    yield return new TrainingRecord(origin, record);
                    continue;
                }

                if (end - start > LargestRecordBytes)
                    throw new TrainingDataException(origin, $"it is longer than {LargestRecordBytes} bytes. Is this a file of records?");
            }
            else if (isEnd)
            {
                yield break;
            }

            if (start > 0)
            {
                buffer.AsSpan(start, end - start).CopyTo(buffer);
                (start, end) = (0, end - start);
            }

            if (end == buffer.Length)
                Array.Resize(ref buffer, buffer.Length * 2);
            var read = stream.Read(buffer, end, buffer.Length - end);
            isEnd = read == 0;
            end += read;
        }
    }

    private static bool IsBetween(ReadOnlySpan<byte> rest, int number, ref bool isArray, out int skipped)
    {
        skipped = 1;
        switch (rest[0])
        {
            case (byte)' ' or (byte)'\t' or (byte)'\r' or (byte)'\n':
                return true;
            case (byte)'[' when number == 0 && !isArray:
                isArray = true;
                return true;
            case (byte)',' or (byte)']':
                return isArray;
            case 0xEF when number == 0 && rest.Length >= 3 && rest[1] == 0xBB && rest[2] == 0xBF:
                skipped = 3;
                return true;
            default:
                return false;
        }
    }

    private static bool TryParse(ReadOnlySpan<byte> bytes, bool isEnd, string origin, out JsonElement record, out int consumed)
    {
        (record, consumed) = (default, 0);
        try
        {
            // A number at the very end could go on; an object cannot, so a block that is not final is never misread.
            var reader = new Utf8JsonReader(bytes, isEnd, new JsonReaderState(new JsonReaderOptions { MaxDepth = 32, AllowMultipleValues = true }));
            if (!JsonDocument.TryParseValue(ref reader, out var document))
                return isEnd ? throw new TrainingDataException(origin, "the file ends inside it.") : false;
            using (document)
            {
                if (document.RootElement.ValueKind != JsonValueKind.Object)
                    throw new TrainingDataException(origin, $"expected an object with the columns, found {document.RootElement.ValueKind.ToString().ToLowerInvariant()}.");
                record = document.RootElement.Clone();
                consumed = (int)reader.BytesConsumed;
                return true;
            }
        }
        catch (JsonException error)
        {
            throw new TrainingDataException(origin, $"not JSON: {error.Message}");
        }
    }
}
