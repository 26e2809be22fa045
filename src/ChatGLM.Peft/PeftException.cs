namespace ChatGLM.Peft;

/// <summary>The base of the errors of this package.</summary>
public abstract class PeftException : ChatGLMException
{
    private protected PeftException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }

    /// <summary>Up to eight names, and how many more there are.</summary>
    internal static string List(IEnumerable<string> names)
    {
        var all = names as IReadOnlyCollection<string> ?? [.. names];
        var shown = string.Join(", ", all.Take(8).Select(Bound));
        return all.Count > 8 ? $"{shown} and {all.Count - 8} more" : shown;
    }

    /// <summary>A text from a file, short enough for a message.</summary>
    internal static string Bound(string text) => text.Length > 200 ? text[..200] + "..." : text;
}
