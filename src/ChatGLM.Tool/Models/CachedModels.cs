namespace ChatGLM.Tool.Models;

/// <summary>The repos that the Hugging Face cache holds, for a shell that completes a name.</summary>
internal static class CachedModels
{
    private const string Prefix = "models--";

    /// <summary>Their ids, and the small model.</summary>
    public static IEnumerable<string> Names()
    {
        try
        {
            var repos = Directory.Exists(Folder()) ? Directory.EnumerateDirectories(Folder(), Prefix + "*") : [];
            return [ModelSettings.DemoName, .. repos.Select(path => Path.GetFileName(path)[Prefix.Length..].Replace("--", "/", StringComparison.Ordinal)).Order(StringComparer.Ordinal)];
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return [ModelSettings.DemoName]; // a shell that completes has no place for an error
        }
    }

    private static string Folder()
    {
        if (Environment.GetEnvironmentVariable("HF_HUB_CACHE") is { Length: > 0 } cache)
            return cache;
        var home = Environment.GetEnvironmentVariable("HF_HOME") is { Length: > 0 } given
            ? given
            : Path.Combine(Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } xdg ? xdg : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache"), "huggingface");
        return Path.Combine(home, "hub");
    }
}
