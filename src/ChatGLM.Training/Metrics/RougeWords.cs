using System.Text.RegularExpressions;

namespace ChatGLM.Training;

/// <summary>Words as the Python package <c>rouge_chinese</c> reads them: put together with spaces, cut into sentences, and split at white space again.</summary>
internal static partial class RougeWords
{
    /// <summary>Python's white space: .NET's, and four separators of ASCII.</summary>
    private static readonly char[] Spaces = [.. Enumerable.Range(0, 0x3001).Select(c => (char)c).Where(c => char.IsWhiteSpace(c) || c is >= '\u001C' and <= '\u001F')];

    /// <summary>
    /// The words that are compared: white space is none. An oddity of the package is kept, or scores of texts with line ends would differ: a sentence of nothing but white space counts as one
    /// empty word, unless it is the last.
    /// </summary>
    public static IReadOnlyList<string> Of(IReadOnlyList<string> words)
    {
        var text = string.Join(' ', words);
        foreach (var end in new[] { SentenceEnd(), SixPoints(), Ellipsis(), QuotedEnd() })
            text = end.Replace(text, "$1\n$2");
        var result = new List<string>();
        foreach (var sentence in text.TrimEnd(Spaces).Split('\n'))
        {
            if (sentence.Length == 0)
                continue;
            var parts = sentence.Split(Spaces, StringSplitOptions.RemoveEmptyEntries);
            result.AddRange(parts.Length == 0 ? [""] : parts);
        }

        return result;
    }

    [GeneratedRegex("([。！？?])([^”’])", RegexOptions.Singleline)]
    private static partial Regex SentenceEnd();

    [GeneratedRegex(@"(\.{6})([^”’])", RegexOptions.Singleline)]
    private static partial Regex SixPoints();

    [GeneratedRegex("(…{2})([^”’])", RegexOptions.Singleline)]
    private static partial Regex Ellipsis();

    [GeneratedRegex("([。！？?][”’])([^，。！？?])", RegexOptions.Singleline)]
    private static partial Regex QuotedEnd();
}
