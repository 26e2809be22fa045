using System.Globalization;
using System.Text;

namespace ChatGLM.Training;

/// <summary>Characters of a file of text, one at a time and never more than a buffer of them, with the line they stand in.</summary>
internal sealed class TextSource(Stream stream, string path) : IDisposable
{
    /// <summary>A field or line that is longer than this is a damaged file, not data.</summary>
    public const int LargestTextChars = 16 << 20;

    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly StreamReader _reader = new(stream, Strict, detectEncodingFromByteOrderMarks: true, bufferSize: 1 << 15);

    public string Path => path;

    /// <summary>The line that the next character stands in, from 1.</summary>
    public long Line { get; private set; } = 1;

    /// <summary>The next character, or -1 at the end.</summary>
    public int Peek()
    {
        try
        {
            return _reader.Peek();
        }
        catch (DecoderFallbackException error)
        {
            throw NotUtf8(error);
        }
    }

    /// <summary>Takes the next character; -1 at the end.</summary>
    public int Read()
    {
        try
        {
            var c = _reader.Read();
            if (c == '\n')
                Line++;
            return c;
        }
        catch (DecoderFallbackException error)
        {
            throw NotUtf8(error);
        }
    }

    public TrainingDataException TooLong(string origin) =>
        new(origin, string.Create(CultureInfo.InvariantCulture, $"a field or line is longer than {LargestTextChars} characters. Is this the right kind of file, and is a quote or line end missing?"));

    public void Dispose() => _reader.Dispose();

    private TrainingDataException NotUtf8(DecoderFallbackException error) => new(
        string.Create(CultureInfo.InvariantCulture, $"{path}, about line {Line}"), $"it is not UTF-8 (found {Convert.ToHexString(error.BytesUnknown ?? [])}). Save the file as UTF-8.");
}
