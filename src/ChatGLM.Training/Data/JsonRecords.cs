using System.Globalization;
using System.Text.Json;

namespace ChatGLM.Training;

/// <summary>
/// JSON objects in an array, one per line, or directly one after another. The file goes through a buffer that grows only for a record that is larger than it.
/// </summary>
internal sealed class JsonRecords
{
    private const int LargestRecordBytes = 64 << 20;
    private const int FirstBufferBytes = 1 << 16;
    private const int MaxDepth = 64;

    private readonly Stream _stream;
    private readonly string _path;
    private byte[] _buffer = new byte[FirstBufferBytes];
    private int _start;
    private int _end;
    private bool _isEnd;
    private long _byte;
    private long _line = 1;
    private long _number = 1;
    private Layout _layout;
    private char _before = '[';

    private JsonRecords(Stream stream, string path) => (_stream, _path) = (stream, path);

    /// <summary>How the objects stand in the file.</summary>
    private enum Layout
    {
        Unknown,
        Objects,
        Array,
        AfterArray,
    }

    private ReadOnlySpan<byte> Rest => _buffer.AsSpan(_start, _end - _start);

    private RecordOrigin Origin => new(_path, _number, _line, _byte);

    public static IEnumerable<TrainingRecord> Read(Stream stream, string path)
    {
        using (stream)
        {
            var reader = new JsonRecords(stream, path);
            reader.SkipByteOrderMark();
            while (reader.Next() is { } record)
                yield return record;
        }
    }

    private TrainingRecord? Next()
    {
        while (true)
        {
            var blank = Rest.IndexOfAnyExcept(" \t\r\n"u8);
            Advance(blank < 0 ? Rest.Length : blank);
            if (Rest.IsEmpty)
            {
                if (Fill())
                    continue;
                return _layout == Layout.Array
                    ? throw Problem("the file ends inside its array: the ']' is missing. It seems to have been cut off.")
                    : null;
            }

            if (IsPunctuation((char)Rest[0]))
            {
                Advance(1);
                continue;
            }

            if (TryParse() is { } record)
                return record;
            if (Rest.Length > LargestRecordBytes)
                throw Problem($"it is longer than {LargestRecordBytes} bytes. Is this a file of records?");
            Fill();
        }
    }

    /// <summary>The marks of an array, each where it belongs; of objects one after another only what begins them.</summary>
    private bool IsPunctuation(char c)
    {
        switch (_layout)
        {
            case Layout.Unknown when c == '[':
                _layout = Layout.Array;
                return true;
            case Layout.Unknown:
                _layout = Layout.Objects;
                return false;
            case Layout.Array when c == ']' && _before is '[' or '}':
                _layout = Layout.AfterArray;
                return true;
            case Layout.Array when c == ',' && _before == '}':
                _before = ',';
                return true;
            case Layout.Array when _before == '}' || c is ',' or ']':
                throw Problem($"found '{c}' after '{_before}' of the array. Records of an array stand between commas.");
            case Layout.AfterArray:
                throw Problem($"found '{c}' after the end of the array. Remove it, or what closes the array too early.");
            default:
                return false;
        }
    }

    private TrainingRecord? TryParse()
    {
        try
        {
            // A number at the very end could go on; an object cannot, so a block that is not final is never misread.
            var reader = new Utf8JsonReader(Rest, _isEnd, new JsonReaderState(new JsonReaderOptions { MaxDepth = MaxDepth, AllowMultipleValues = true }));
            if (!JsonDocument.TryParseValue(ref reader, out var document))
                return _isEnd ? throw Problem("the file ends inside it. It seems to have been cut off.") : null;
            using (document)
            {
                if (document.RootElement.ValueKind != JsonValueKind.Object)
                    throw Problem($"expected an object with the columns, such as {{\"content\": \"...\", \"summary\": \"...\"}}, found {document.RootElement.ValueKind.ToString().ToLowerInvariant()}.");
                var record = new TrainingRecord(Origin, document.RootElement.Clone());
                Advance((int)reader.BytesConsumed);
                _number++;
                _before = '}';
                return record;
            }
        }
        catch (JsonException error)
        {
            var line = _line + (error.LineNumber ?? 0);
            var message = error.Message;
            if (message.IndexOf(" LineNumber:", StringComparison.Ordinal) is var at and >= 0)
                message = message[..at];
            throw Problem(string.Create(CultureInfo.InvariantCulture, $"not JSON{(_isEnd ? ", or the file ends inside it" : "")}: {message} (line {line}, byte {ByteOf(error)}). Correct or remove the record."));
        }
    }

    /// <summary>Where the parser stopped: it counts lines and bytes from the front of the record.</summary>
    private long ByteOf(JsonException error)
    {
        var rest = Rest;
        var offset = 0;
        for (var lines = error.LineNumber ?? 0; lines > 0 && rest.IndexOf((byte)'\n') is var end and >= 0; lines--)
        {
            offset += end + 1;
            rest = rest[(end + 1)..];
        }

        return _byte + offset + (error.BytePositionInLine ?? 0);
    }

    private void SkipByteOrderMark()
    {
        while (Rest.Length < 3 && Fill())
        {
        }

        if (Rest.StartsWith("\uFEFF"u8))
            Advance(3);
        else if (Rest is [0xFE, 0xFF, ..] or [0xFF, 0xFE, ..])
            throw new TrainingDataException(_path, "it is UTF-16. Save it as UTF-8.");
    }

    private void Advance(int bytes)
    {
        _line += Rest[..bytes].Count((byte)'\n');
        _byte += bytes;
        _start += bytes;
    }

    /// <summary>Reads on behind what is not used yet; false at the end of the file.</summary>
    private bool Fill()
    {
        if (_isEnd)
            return false;
        if (_start > 0)
        {
            Rest.CopyTo(_buffer);
            (_start, _end) = (0, _end - _start);
        }

        if (_end == _buffer.Length)
            Array.Resize(ref _buffer, _buffer.Length * 2);
        var read = _stream.Read(_buffer, _end, _buffer.Length - _end);
        _isEnd = read == 0;
        _end += read;
        return !_isEnd;
    }

    private TrainingDataException Problem(string problem) => new(Origin.ToString(), problem);
}
