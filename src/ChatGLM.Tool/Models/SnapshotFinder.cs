using ChatGLM.Hub;
using ChatGLM.Tool.Terminal;

namespace ChatGLM.Tool.Models;

/// <summary>Finds the folder of what a user names: a folder, a repo that the cache holds, or one that is then downloaded.</summary>
internal static class SnapshotFinder
{
    /// <param name="name">A folder or a repo.</param>
    /// <param name="hub">Where repos come from.</param>
    /// <param name="parts">What is needed of it.</param>
    /// <param name="progress">Told of a download.</param>
    /// <param name="cancellationToken">Stops it; what has arrived is kept.</param>
    public static async Task<string> FindAsync(string name, HubSettings hub, SnapshotParts parts, ToolProgress progress, CancellationToken cancellationToken)
    {
        var place = ModelSettings.Place(name);
        if (Path.Exists(place) || !LooksLikeRepo(place))
            return Path.GetFullPath(place); // whoever reads it says best what is wrong with it
        if (!hub.Options.LocalFilesOnly && await TryCacheAsync() is { } cached)
            return cached;
        using var client = new HubClient(hub.Options with { Progress = progress.As<HubProgress>(Report) });
        return await client.SnapshotDownloadAsync(place, hub.Revision, parts, cancellationToken);

        async Task<string?> TryCacheAsync()
        {
            using var local = new HubClient(hub.Options with { LocalFilesOnly = true });
            try
            {
                return await local.SnapshotDownloadAsync(place, hub.Revision, parts, cancellationToken);
            }
            catch (HubOfflineException)
            {
                return null;
            }
        }
    }

    /// <summary>A download as one bar.</summary>
    public static ProgressReport Report(HubProgress at) => new(
        "downloading", at.DownloadedBytes, at.TotalBytes, "bytes", at.BytesPerSecond > 0 ? at.BytesPerSecond : null, at.Remaining, $"{at.CompletedFiles}/{at.TotalFiles} files");

    private static bool LooksLikeRepo(string name) => name.Split('/') is [{ Length: > 0 } owner, { Length: > 0 }] && owner is not ("." or "..") && !Path.IsPathRooted(name);
}
