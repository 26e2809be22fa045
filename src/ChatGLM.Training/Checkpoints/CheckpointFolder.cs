using System.Globalization;

namespace ChatGLM.Training;

/// <summary>
/// The <c>checkpoint-N</c> folders of an output folder. One is made beside, under a name that nobody reads, and renamed when it is whole: after a crash at any moment every folder
/// that is called a checkpoint is one.
/// </summary>
internal static class CheckpointFolder
{
    private const string Prefix = "checkpoint-";
    private const string StagingPrefix = ".partial-checkpoint-";

    public static string Of(string outputDir, int step) => Path.Combine(outputDir, Prefix + step.ToString(CultureInfo.InvariantCulture));

    /// <summary>The checkpoints of a folder by step, the newest last.</summary>
    public static IReadOnlyList<(int Step, string Path)> List(string outputDir)
    {
        if (!Directory.Exists(outputDir))
            return [];
        var found = new List<(int Step, string Path)>();
        foreach (var path in Directory.EnumerateDirectories(outputDir, Prefix + "*"))
        {
            if (int.TryParse(Path.GetFileName(path).AsSpan(Prefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var step))
                found.Add((step, path));
        }

        return [.. found.OrderBy(checkpoint => checkpoint.Step)];
    }

    /// <summary>Writes a checkpoint: all of it appears under its name, or nothing.</summary>
    public static string Write(string outputDir, int step, Action<string> write)
    {
        Directory.CreateDirectory(outputDir);
        var path = Of(outputDir, step);
        var staging = Path.Combine(outputDir, $"{StagingPrefix}{step.ToString(CultureInfo.InvariantCulture)}-{Guid.NewGuid():N}");
        Directory.CreateDirectory(staging);
        try
        {
            write(staging);
            CheckpointManifest.Write(staging);
            if (Directory.Exists(path))
            {
                // The same step once more, after a resume. A folder cannot be replaced in one step: the old one goes aside first, and is put back should the second step not happen.
                var old = staging + "-old";
                Directory.Move(path, old);
                try
                {
                    Directory.Move(staging, path);
                }
                catch
                {
                    Directory.Move(old, path);
                    throw;
                }

                Directory.Delete(old, recursive: true);
            }
            else
            {
                Directory.Move(staging, path);
            }
        }
        catch
        {
            if (Directory.Exists(staging))
                Directory.Delete(staging, recursive: true);
            throw;
        }

        return path;
    }

    /// <summary>Removes what a run that was killed while saving has left behind.</summary>
    public static void Sweep(string outputDir)
    {
        if (!Directory.Exists(outputDir))
            return;
        foreach (var path in Directory.EnumerateDirectories(outputDir, StagingPrefix + "*").ToArray())
        {
            // One that stepped aside for a newer one that never came is still the only checkpoint of its step.
            var name = Path.GetFileName(path)[StagingPrefix.Length..];
            var dash = name.IndexOf('-', StringComparison.Ordinal);
            if (name.EndsWith("-old", StringComparison.Ordinal) && dash > 0 && int.TryParse(name.AsSpan(0, dash), NumberStyles.None, CultureInfo.InvariantCulture, out var step)
                && !Directory.Exists(Of(outputDir, step)))
            {
                Directory.Move(path, Of(outputDir, step));
            }
            else
            {
                Directory.Delete(path, recursive: true);
            }
        }
    }

    /// <summary>Removes the oldest checkpoints beyond a number; never the best or the newest.</summary>
    public static IReadOnlyList<string> Rotate(string outputDir, int? limit, string? best, string newest)
    {
        if (limit is not { } most)
            return [];
        var all = List(outputDir);
        var isKept = new Func<string, bool>(path => Same(path, newest) || (best is not null && Same(path, best)));
        var removed = new List<string>();
        foreach (var (_, path) in all)
        {
            if (all.Count - removed.Count <= Math.Max(most, 1))
                break;
            if (isKept(path) || path == all[^1].Path)
                continue;
            // Out of sight first: a run that is killed while deleting must not leave half a checkpoint under a checkpoint's name.
            var gone = Path.Combine(outputDir, $"{StagingPrefix}{Path.GetFileName(path)}-{Guid.NewGuid():N}");
            Directory.Move(path, gone);
            Directory.Delete(gone, recursive: true);
            removed.Add(path);
        }

        return removed;
    }

    private static bool Same(string a, string b) => string.Equals(Path.GetFullPath(a), Path.GetFullPath(b), StringComparison.Ordinal);
}
