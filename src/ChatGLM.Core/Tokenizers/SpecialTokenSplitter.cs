using System.Buffers;

namespace ChatGLM.Tokenizers;

/// <summary>Finds the names of special tokens in a text: the leftmost, and of several at one place the longest.</summary>
internal sealed class SpecialTokenSplitter
{
    private readonly string[] _tokens;
    private readonly SearchValues<string> _search;

    public SpecialTokenSplitter(IEnumerable<string> tokens)
    {
        _tokens = [.. tokens.Where(t => t.Length > 0).OrderByDescending(t => t.Length)];
        _search = SearchValues.Create(_tokens, StringComparison.Ordinal);
    }

    /// <summary>Finds the next name.</summary>
    /// <returns>Where it starts, or -1.</returns>
    public int Find(ReadOnlySpan<char> text, out string token)
    {
        var at = text.IndexOfAny(_search);
        token = "";
        if (at < 0)
            return -1;
        foreach (var candidate in _tokens)
        {
            if (text[at..].StartsWith(candidate, StringComparison.Ordinal))
            {
                token = candidate;
                break;
            }
        }

        return at;
    }
}
