using ChatGLM.Formats;
using ChatGLM.Hub;

namespace ChatGLM.Snapshots;

/// <summary>Turns what a user calls a model into a folder that holds what is wanted, and downloads it if need be.</summary>
internal static class SnapshotResolver
{
    /// <summary>
    /// A folder is taken as it is. A repo that the cache holds is taken from there without asking the hub, so that a program that ran once runs
    /// without a network; anything else is downloaded, unless that is not allowed.
    /// </summary>
    public static async Task<string> ResolveAsync(
        string pathOrRepo, string? revision, string? cacheDir, bool localFilesOnly, HubOptions? hub, SnapshotParts parts, CancellationToken cancellationToken)
    {
        if (FindLocal(pathOrRepo) is { } local)
            return local;
        hub ??= new HubOptions();
        var settings = new HubSettings(hub with { CacheDir = cacheDir ?? hub.CacheDir, LocalFilesOnly = localFilesOnly || hub.LocalFilesOnly });
        revision ??= settings.DefaultRevision;
        if (settings.IsOffline || !IsRemote(pathOrRepo) || !RepositoryId.IsRevision(revision))
            return SnapshotLocator.Find(pathOrRepo, revision, settings.CacheDir);
        if (SnapshotLocator.FindInCache(pathOrRepo, revision, settings.CacheDir) is { } folder && SnapshotPlan.IsComplete(folder, parts))
            return folder;
        using var client = new HubClient(settings);
        return await client.SnapshotDownloadAsync(pathOrRepo, revision, parts, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The same, for callers that cannot wait: on the thread pool, so that a user interface's thread is not waited for by itself.</summary>
    public static string Resolve(
        string pathOrRepo, string? revision, string? cacheDir, bool localFilesOnly, HubOptions? hub, SnapshotParts parts, CancellationToken cancellationToken) =>
        FindLocal(pathOrRepo) ?? Task.Run(() => ResolveAsync(pathOrRepo, revision, cacheDir, localFilesOnly, hub, parts, cancellationToken), cancellationToken).GetAwaiter().GetResult();

    /// <summary>The full path of what is a folder, or a GGUF file, which is a snapshot by itself; null for anything else.</summary>
    public static string? FindLocal(string pathOrRepo) => Directory.Exists(pathOrRepo) || GgufFile.IsAt(pathOrRepo) ? Path.GetFullPath(pathOrRepo) : null;

    /// <summary>Whether this can only be a repo. A name without an organisation is more often a folder that is not there than one of the hub's oldest repos.</summary>
    private static bool IsRemote(string pathOrRepo) => RepositoryId.IsValid(pathOrRepo) && pathOrRepo.Contains('/', StringComparison.Ordinal) && !File.Exists(pathOrRepo);
}
