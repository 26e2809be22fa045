namespace ChatGLM.Hub;

/// <summary>The name of a repo, <c>ORG/NAME</c>, checked: it becomes part of paths and addresses.</summary>
internal readonly record struct RepositoryId(string Text)
{
    private const int MaxPartLength = 96;

    public override string ToString() => Text;

    /// <summary>The name of its folder in the cache.</summary>
    public string FolderName => "models--" + Text.Replace("/", "--", StringComparison.Ordinal);

    public static RepositoryId Parse(string text) => IsValid(text) && text.Contains('/', StringComparison.Ordinal)
        ? new RepositoryId(text)
        : throw new RepositoryNotFoundException(text, "this is no repo id: expected ORG/NAME of letters, digits, '-', '_' and '.', such as THUDM/chatglm3-6b.");

    /// <summary>Whether the text can be a repo, of an organisation or (as in the hub's first days) of none.</summary>
    public static bool IsValid(string text)
    {
        var parts = text.Split('/');
        return parts.Length is 1 or 2 && parts.All(p => p.Length <= MaxPartLength && IsPlain(p));
    }

    /// <summary>A revision becomes part of a path, so it must not climb: names like <c>main</c>, <c>refs/pr/1</c>, or a commit.</summary>
    public static bool IsRevision(string text) => text.Length is > 0 and <= 200 && text.Split('/').All(IsPlain);

    private static bool IsPlain(string part) =>
        part.Length > 0 && part is not ("." or "..") && part.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.');
}
