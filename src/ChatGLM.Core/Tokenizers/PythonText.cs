namespace ChatGLM.Tokenizers;

/// <summary>Python's idea of whitespace, which differs from .NET's in the four ASCII separators.</summary>
internal static class PythonText
{
    public static bool IsSpace(char c) => char.IsWhiteSpace(c) || c is >= '\u001C' and <= '\u001F';

    /// <summary>str.lstrip</summary>
    public static ReadOnlySpan<char> TrimStart(ReadOnlySpan<char> text)
    {
        while (!text.IsEmpty && IsSpace(text[0]))
            text = text[1..];
        return text;
    }

    /// <summary>str.rstrip</summary>
    public static ReadOnlySpan<char> TrimEnd(ReadOnlySpan<char> text)
    {
        while (!text.IsEmpty && IsSpace(text[^1]))
            text = text[..^1];
        return text;
    }

    /// <summary>str.strip</summary>
    public static string Trim(string text)
    {
        var trimmed = TrimEnd(TrimStart(text));
        return trimmed.Length == text.Length ? text : trimmed.ToString();
    }
}
