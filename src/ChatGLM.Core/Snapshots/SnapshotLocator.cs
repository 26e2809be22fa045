using ChatGLM.Hub;

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
            throw new SnapshotNotFoundException(pathOrRepo, "this is a file, and no GGUF file; give the folder that holds config.json and the weights.");
        if (!RepositoryId.IsValid(pathOrRepo))
            throw new SnapshotNotFoundException(pathOrRepo, "there is no such folder, and it is not a repo id of the form ORG/NAME.");
        return Require(pathOrRepo, revision ?? "main", cacheDir ?? DefaultCache());
    }

    /// <summary>Where Hugging Face's tools keep downloads: HF_HUB_CACHE, else HF_HOME/hub, else ~/.cache/huggingface/hub.</summary>
    internal static string DefaultCache(Func<string, string?>? environment = null)
    {
        environment ??= Environment.GetEnvironmentVariable;
        return Variable(environment, "HF_HUB_CACHE") ?? Variable(environment, "HUGGINGFACE_HUB_CACHE") ?? Path.Combine(HuggingFaceHome(environment), "hub");
    }

    /// <summary>Where Hugging Face's tools keep everything: HF_HOME, else ~/.cache/huggingface.</summary>
    internal static string HuggingFaceHome(Func<string, string?> environment)
    {
        if (Variable(environment, "HF_HOME") is { } home)
            return home;
        var userCache = Variable(environment, "XDG_CACHE_HOME") ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache");
        return Path.Combine(userCache, "huggingface");
    }

    /// <summary>The folder of a snapshot that the cache holds, whole or in part; null when it does not.</summary>
    internal static string? FindInCache(string repo, string revision, string cache)
    {
        if (!RepositoryId.IsRevision(revision))
            return null;
        var store = StoreOf(repo, cache);
        var commit = ReadRef(Path.Combine(store, "refs", revision)) ?? revision;
        var folder = Path.Combine(store, "snapshots", commit);
        return RepositoryId.IsRevision(commit) && Directory.Exists(folder) ? folder : null;
    }

    /// <summary>What a snapshot is called: the name of its folder, or, in the cache, where that is a commit, of its repo.</summary>
    internal static string NameOf(string folder)
    {
        var full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        var parts = full.Split(Path.DirectorySeparatorChar);
        return parts.Length > 3 && parts[^2] == "snapshots" && parts[^3].StartsWith("models--", StringComparison.Ordinal) ? parts[^3] : parts[^1];
    }

    private static string Require(string repo, string revision, string cache)
    {
        var store = StoreOf(repo, cache);
        if (!Directory.Exists(store))
            throw new SnapshotNotFoundException(repo, $"there is no such folder, and the Hugging Face cache '{cache}' does not hold such a repo. Download the snapshot and give its folder, or point HF_HOME at the cache that has it.");
        if (!RepositoryId.IsRevision(revision))
            throw new SnapshotNotFoundException(repo, $"'{revision}' is not the name of a revision.");
        return FindInCache(repo, revision, cache)
            ?? throw new SnapshotNotFoundException(repo, $"the cache '{store}' does not hold the revision '{revision}'.");
    }

    private static string StoreOf(string repo, string cache) => Path.Combine(cache, new RepositoryId(repo).FolderName);

    private static string? ReadRef(string path)
    {
        var file = new FileInfo(path);
        return file.Exists && file.Length <= MaxRefBytes ? File.ReadAllText(path).Trim() : null;
    }

    private static string? Variable(Func<string, string?> environment, string name) => environment(name) is { Length: > 0 } value ? value : null;
}
