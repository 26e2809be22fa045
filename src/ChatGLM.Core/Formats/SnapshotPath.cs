namespace ChatGLM.Formats;

/// <summary>Finds files that a snapshot names, and follows none out of the snapshot's folder.</summary>
internal static class SnapshotPath
{
    /// <summary>The folder beside <c>snapshots</c> in the Hugging Face cache, which its links lead into.</summary>
    private const string BlobsFolder = "blobs";

    private const int MaxLinks = 40;

    /// <summary>What is wrong with a name as that of a file in a snapshot, or null. Names are plain: no folders, no drives, no way up.</summary>
    public static string? ProblemWith(string name)
    {
        if (name.Length is 0 or > 255)
            return "is empty or longer than a file name can be";
        if (name is "." or ".." || name.AsSpan().ContainsAny('/', '\\', ':'))
            return "leaves the snapshot's folder; a plain file name was expected";
        foreach (var c in name)
        {
            if (char.IsControl(c))
                return "holds a control character";
        }

        return null;
    }

    /// <summary>
    /// What is wrong with the place that a file really lies at, or null. A link may lead elsewhere in the folder, or, in the Hugging Face cache's layout
    /// (<c>snapshots/revision/file</c>), into <c>blobs</c>.
    /// </summary>
    public static string? ProblemWithTarget(string folder, string path)
    {
        if (new FileInfo(path).LinkTarget is null)
            return null;
        var home = RealPath(folder);
        var target = RealPath(path);
        if (home is null || target is null)
            return $"is a link that leads in circles or to nothing ('{new FileInfo(path).LinkTarget}')";
        if (IsInside(home, target))
            return null;
        var snapshots = Path.GetDirectoryName(home);
        var repository = Path.GetDirectoryName(snapshots);
        if (repository is not null && Path.GetFileName(snapshots) == "snapshots" && IsInside(Path.Combine(repository, BlobsFolder), target))
            return null;
        return $"is a link out of the snapshot's folder, to '{target}'";
    }

    private static bool IsInside(string folder, string path) =>
        path.StartsWith(Path.TrimEndingDirectorySeparator(folder) + Path.DirectorySeparatorChar, StringComparison.Ordinal);

    /// <summary>The path with every link on the way resolved; null when it leads in circles or to nothing.</summary>
    private static string? RealPath(string path)
    {
        var pending = new Stack<string>();
        var full = Path.GetFullPath(path);
        var root = Path.GetPathRoot(full)!;
        PushParts(full[root.Length..]);
        var at = root;
        var links = 0;
        while (pending.TryPop(out var part))
        {
            var next = Path.Combine(at, part);
            FileSystemInfo info = Directory.Exists(next) ? new DirectoryInfo(next) : new FileInfo(next);
            if (!info.Exists && info.LinkTarget is null)
                return null;
            if (info.LinkTarget is not { } target)
            {
                at = next;
                continue;
            }

            if (++links > MaxLinks)
                return null;
            // GetFullPath folds '..' after joining with a real folder, as the system would.
            var resolved = Path.GetFullPath(target, at);
            at = root = Path.GetPathRoot(resolved)!;
            PushParts(resolved[root.Length..]);
        }

        return at;

        void PushParts(string relative)
        {
            foreach (var part in relative.Split(Path.DirectorySeparatorChar, StringSplitOptions.RemoveEmptyEntries).Reverse())
                pending.Push(part);
        }
    }
}
