namespace ChatGLM.Generation;

/// <summary>Watches for stop strings at the end of what has been generated.</summary>
internal sealed class StopStringMatcher
{
    // A character can take up to four byte tokens, and a few tokens beside them decode to nothing at all.
    private const int TokensPerCharacter = 4;
    private const int SpareTokens = 16;

    private readonly string[] _stops;
    private readonly TokenDecoder _decode;
    private readonly int _window;

    public StopStringMatcher(IEnumerable<string> stops, TokenDecoder decode)
    {
        _stops = [.. stops];
        _decode = decode;
        _window = checked(_stops.Max(s => s.Length) * TokensPerCharacter + SpareTokens);
    }

    /// <summary>Whether a stop string has come; to be asked after every token, with all that was generated.</summary>
    public bool IsMatch(ReadOnlySpan<int> generated)
    {
        if (generated.IsEmpty)
            return false;
        // Only the end can hold a new match: the cost of a token does not grow with the text.
        var text = _decode(generated[Math.Max(0, generated.Length - _window)..]);
        foreach (var stop in _stops)
        {
            if (text.Contains(stop, StringComparison.Ordinal))
                return true;
        }

        return false;
    }
}
