using System.Runtime.CompilerServices;
using System.Text;

namespace ChatGLM.Tokenizers.SentencePiece;

/// <summary>
/// Puts pieces together to text, one at a time. Byte pieces wait until they make a whole character; the space that encoding put before the
/// first word goes away again.
/// </summary>
internal sealed class PieceDecoder(SentencePieceModel model)
{
    private ByteBuffer _bytes;
    private int _byteCount;
    private bool _expectsFirstSpace = true;
    private bool _firstSpaceSeen;
    private bool _hasText;

    /// <summary>Appends the text of a piece to <paramref name="output"/>.</summary>
    public void Append(int id, StringBuilder output)
    {
        var vocabulary = model.Vocabulary;
        var type = vocabulary.TypeOf(id);
        if (type == PieceType.Byte)
        {
            AppendByte(vocabulary.ByteOf(id), output);
            return;
        }

        BeginPiece(output);
        switch (type)
        {
            case PieceType.Control:
                break;
            case PieceType.Unknown:
                Write(model.Trainer.UnkSurface, output);
                break;
            default:
                AppendPiece(vocabulary.BytesOf(id), output);
                break;
        }
    }

    /// <summary>Appends a token that is not in the vocabulary; it stands for its own text.</summary>
    public void AppendLiteral(string text, StringBuilder output)
    {
        BeginPiece(output);
        Write(text, output);
    }

    /// <summary>Writes out bytes that wait for more; each is a replacement character now.</summary>
    public void Flush(StringBuilder output)
    {
        while (_byteCount > 0)
            TakeCharacter(output);
    }

    private void BeginPiece(StringBuilder output)
    {
        Flush(output);
        if (_firstSpaceSeen || _hasText)
            _expectsFirstSpace = false;
        _firstSpaceSeen = false;
    }

    private void AppendPiece(ReadOnlySpan<byte> piece, StringBuilder output)
    {
        var spec = model.Normalizer;
        if (_expectsFirstSpace && (spec.AddDummyPrefix || spec.RemoveExtraWhitespaces) && piece.StartsWith(TextNormalizer.Space))
        {
            piece = piece[TextNormalizer.Space.Length..];

            // Where extra whitespace was removed, all leading spaces go, not only the first.
            _firstSpaceSeen = !spec.RemoveExtraWhitespaces;
        }

        Span<char> text = stackalloc char[512];
        var length = Encoding.UTF8.GetChars(piece, text);
        text = text[..length];
        text.Replace('\u2581', ' ');
        _hasText |= length > 0;
        output.Append(text);
    }

    private void Write(string text, StringBuilder output)
    {
        _hasText |= text.Length > 0;
        output.Append(text);
    }

    private void AppendByte(byte value, StringBuilder output)
    {
        _bytes[_byteCount++] = value;
        while (_byteCount > 0 && !Utf8.IsIncomplete(_bytes[.._byteCount]))
            TakeCharacter(output);
    }

    private void TakeCharacter(StringBuilder output)
    {
        ReadOnlySpan<byte> bytes = _bytes[.._byteCount];
        if (Utf8.Decode(bytes, out var length) is var character and >= 0)
        {
            Span<char> utf16 = stackalloc char[2];
            output.Append(utf16[..new Rune(character).EncodeToUtf16(utf16)]);
        }
        else
        {
            output.Append('\uFFFD');
        }

        _hasText = true;
        bytes[length..].CopyTo(_bytes);
        _byteCount -= length;
    }

    /// <summary>The bytes of one character.</summary>
    [InlineArray(4)]
    private struct ByteBuffer
    {
        private byte _first;
    }
}
