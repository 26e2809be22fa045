namespace ChatGLM.Snapshots;

/// <summary>
/// Turns what a user calls a model into a folder: a path, or a repo id that is looked up in the local Hugging Face cache
/// (<c>models--ORG--NAME/refs/REVISION</c> names the commit, <c>snapshots/COMMIT</c> holds links into <c>blobs</c>).
/// </summary>
internal static class SnapshotLocator
{
    private const int MaxRefBytes = 256;

    public static string Find(string pathOrRepo, string? revision, string? cacheDir)
    {
        if (Directory.Exists(pathOrRepo))
            return Path.GetFullPath(pathOrRepo);
        if (File.Exists(pathOrRepo))
            throw new SnapshotNotFoundException(pathOrRepo, "this is a file; give the folder that holds config.json and the weights.");
        if (!IsRepoId(pathOrRepo))
            throw new SnapshotNotFoundException(pathOrRepo, "there is no such folder, and it is not a repo id of the form ORG/NAME.");
        return FindInCache(pathOrRepo, revision ?? "main", cacheDir ?? DefaultCache());
    }

    /// <summary>Where Hugging Face's tools keep downloads: HF_HUB_CACHE, else HF_HOME/hub, else ~/.cache/huggingface/hub.</summary>
    internal static string DefaultCache()
    {
        if (Variable("HF_HUB_CACHE") is { } cache)
            return cache;
        if (Variable("HF_HOME") is { } home)
            return Path.Combine(home, "hub");
        var userCache = Variable("XDG_CACHE_HOME") ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache");
        return Path.Combine(userCache, "huggingface", "hub");
    }

    private static string? Variable(string name) => Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : null;

    private static string FindInCache(string repo, string revision, string cache)
    {
        var store = Path.Combine(cache, "models--" + repo.Replace("/", "--", StringComparison.Ordinal));
        if (!Directory.Exists(store))
            throw new SnapshotNotFoundException(repo, $"there is no such folder, and the Hugging Face cache '{cache}' does not hold such a repo. Download the snapshot and give its folder, or point HF_HOME at the cache that has it.");
        if (!IsPlainName(revision))
            throw new SnapshotNotFoundException(repo, $"'{revision}' is not the name of a revision.");
        var commit = ReadRef(Path.Combine(store, "refs", revision)) ?? revision;
        var folder = Path.Combine(store, "snapshots", commit);
        return IsPlainName(commit) && Directory.Exists(folder)
            ? folder
            : throw new SnapshotNotFoundException(repo, $"the cache '{store}' does not hold the revision '{revision}'.");
    }

    private static string? ReadRef(string path)
    {
        var file = new FileInfo(path);
        return file.Exists && file.Length <= MaxRefBytes ? File.ReadAllText(path).Trim() : null;
    }

    private static bool IsRepoId(string text)
    {
        var parts = text.Split('/');
        return parts.Length is 1 or 2 && parts.All(p => p.Length is > 0 and <= 96 && p is not ("." or "..") && p.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.'));
    }

    /// <summary>A revision becomes part of a path, so it must not climb: names like <c>main</c>, <c>refs/pr/1</c>, or a commit.</summary>
    private static bool IsPlainName(string text) => text.Length is > 0 and <= 200 && !Path.IsPathRooted(text)
        && text.Split('/').All(p => p.Length > 0 && p is not ("." or "..") && p.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.'));
}
