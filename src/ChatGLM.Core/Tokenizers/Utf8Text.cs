using System.Text;

namespace ChatGLM.Tokenizers;

/// <summary>UTF-16 to UTF-8 into borrowed memory.</summary>
internal static class Utf8Text
{
    /// <summary>Three bytes for each character must stay within an array.</summary>
    private const int MaxCharacters = 1 << 28;

    public static void Append(ReadOnlySpan<char> text, ref PooledList<byte> output)
    {
        if (text.Length > MaxCharacters)
            throw new TokenizerException($"The text is too long to tokenize at once: expected at most {MaxCharacters} characters, found {text.Length}. Split it.");
        output.Advance(Encoding.UTF8.GetBytes(text, output.Reserve(text.Length * 3)));
    }
}
