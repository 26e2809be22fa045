using System.Buffers;
using System.Text;

namespace ChatGLM.Tokenizers.SentencePiece;

/// <summary>UTF-8 as SentencePiece reads it.</summary>
internal static class Utf8
{
    /// <summary>The bytes of the character that starts with this byte, going by the byte alone; 1 for a byte that starts none.</summary>
    public static int LengthOf(byte lead) => lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;

    /// <summary>Reads one character.</summary>
    /// <param name="bytes">At least one byte.</param>
    /// <param name="length">The bytes it takes; 1 when there is no valid character.</param>
    /// <returns>The code point, or -1 when there is no valid character.</returns>
    public static int Decode(ReadOnlySpan<byte> bytes, out int length)
    {
        if (Rune.DecodeFromUtf8(bytes, out var rune, out length) == OperationStatus.Done)
            return rune.Value;
        length = 1;
        return -1;
    }

    /// <summary>Whether more bytes could still make these into one valid character.</summary>
    public static bool IsIncomplete(ReadOnlySpan<byte> bytes) =>
        Rune.DecodeFromUtf8(bytes, out _, out var length) == OperationStatus.NeedMoreData && length == bytes.Length;
}
