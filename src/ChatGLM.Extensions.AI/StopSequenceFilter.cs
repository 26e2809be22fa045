namespace ChatGLM.Extensions.AI;

/// <summary>Passes text through up to the first stop sequence, which is left out, and holds back what may become one.</summary>
internal sealed class StopSequenceFilter(IReadOnlyList<string> stops)
{
    private string _held = "";
    private bool _isStopped;

    /// <summary>Takes the next text in; gives the text that is certain by now.</summary>
    public string Append(string text)
    {
        if (stops.Count == 0 || _isStopped)
            return _isStopped ? "" : text;
        text = _held + text;
        _held = "";
        var end = text.Length;
        foreach (var stop in stops)
        {
            if (text.AsSpan(0, end).IndexOf(stop) is >= 0 and var at)
                (end, _isStopped) = (at, true);
        }

        if (_isStopped)
            return text[..end];
        var held = stops.Max(stop => BeginningLength(text, stop));
        _held = text[^held..];
        return text[..^held];
    }

    /// <summary>Ends the text; gives the rest.</summary>
    public string Flush() => _held;

    /// <summary>How many characters at the end of a text may be the beginning of another, not all of it.</summary>
    public static int BeginningLength(ReadOnlySpan<char> text, ReadOnlySpan<char> other)
    {
        for (var length = Math.Min(text.Length, other.Length - 1); length > 0; length--)
        {
            if (text.EndsWith(other[..length]))
                return length;
        }

        return 0;
    }
}
