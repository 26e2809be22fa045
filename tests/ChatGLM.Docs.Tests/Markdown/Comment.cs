namespace ChatGLM.Docs.Tests;

/// <summary>An HTML comment: readers of a page do not see it, the tests do.</summary>
/// <param name="Text">What stands between its marks.</param>
/// <param name="Line">The number of its first line.</param>
internal sealed record Comment(string Text, int Line)
{
    /// <summary>The text behind a word such as <c>setup:</c>, and the line where it begins; null if the comment begins with another.</summary>
    public (string Text, int Line)? Behind(string word)
    {
        var trimmed = Text.TrimStart();
        if (!trimmed.StartsWith(word, StringComparison.Ordinal))
            return null;
        var start = Text.Length - trimmed.Length + word.Length;
        return (Text[start..], Line + Text[..start].Count(c => c == '\n'));
    }
}
