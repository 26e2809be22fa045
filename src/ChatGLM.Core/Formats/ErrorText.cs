namespace ChatGLM.Formats;

/// <summary>Keeps messages readable: a hostile file may give a tensor a name of megabytes.</summary>
internal static class ErrorText
{
    private const int MaxCharacters = 1000;

    /// <summary>The text itself, or its beginning and its end, where the advice stands.</summary>
    public static string Bound(string text) =>
        text.Length <= MaxCharacters ? text : string.Concat(text.AsSpan(0, MaxCharacters * 3 / 4), " ... ", text.AsSpan(text.Length - (MaxCharacters / 4)));
}
