using ChatGLM.Formats;

namespace ChatGLM.Hub;

/// <summary>
/// One repo in huggingface_hub's cache: <c>refs/REVISION</c> holds a commit, <c>blobs/ETAG</c> the contents, <c>snapshots/COMMIT/NAME</c> links to
/// them, <c>.no_exist/COMMIT/NAME</c> marks what a commit lacks, and the cache's <c>.locks</c> keeps processes apart.
/// </summary>
internal sealed class HubCache(string cacheDir, RepositoryId repository, bool useLinks)
{
    private const int MaxBlobNameLength = 128;

    private readonly string _root = Path.Combine(Path.GetFullPath(cacheDir), repository.FolderName);
    private readonly string _locks = Path.Combine(Path.GetFullPath(cacheDir), ".locks", repository.FolderName);

    public string SnapshotFolder(string commit) => Path.Combine(_root, "snapshots", commit);

    public string BlobPath(string etag) => Path.Combine(_root, "blobs", etag);

    public string IncompletePath(string etag) => BlobPath(etag) + ".incomplete";

    /// <summary>The path of a file in a snapshot. The name was checked with <see cref="ProblemWith"/>.</summary>
    public string PointerPath(string commit, string name) => Path.Combine([SnapshotFolder(commit), .. name.Split('/')]);

    public Task<IDisposable> LockAsync(string etag, CancellationToken cancellationToken) => CacheLock.AcquireAsync(Path.Combine(_locks, etag + ".lock"), cancellationToken);

    /// <summary>What is wrong with the name of a file in a repo, or null. It may lie in a folder, but not climb out of its own.</summary>
    public static string? ProblemWith(string name) =>
        name.Length > 1024 ? "is too long" : name.Split('/').Select(SnapshotPath.ProblemWith).FirstOrDefault(problem => problem is not null);

    /// <summary>Whether an etag can be the name of a blob.</summary>
    public static bool IsBlobName(string etag) => etag.Length is > 0 and <= MaxBlobNameLength && etag[0] != '.'
        && !etag.EndsWith(".incomplete", StringComparison.Ordinal) && etag.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.');

    public void Prepare(string commit)
    {
        Directory.CreateDirectory(Path.Combine(_root, "blobs"));
        Directory.CreateDirectory(Path.Combine(_root, "refs"));
        Directory.CreateDirectory(SnapshotFolder(commit));
        Directory.CreateDirectory(_locks);
    }

    /// <summary>Whether the snapshot has the file, with the content that the hub names.</summary>
    public bool HasFile(string commit, RemoteFile file)
    {
        var pointer = new FileInfo(PointerPath(commit, file.Name));
        if (pointer.LinkTarget is null)
            return pointer.Exists && pointer.Length == file.Size;
        return Path.GetFileName(pointer.LinkTarget) == file.Etag && HasBlob(file);
    }

    public bool HasBlob(RemoteFile file) => new FileInfo(BlobPath(file.Etag)) is { Exists: true } blob && blob.Length == file.Size;

    /// <summary>Makes the finished blob appear in the snapshot: as a link, else as the file itself, as huggingface_hub does where links are not allowed.</summary>
    /// <param name="commit">The snapshot.</param>
    /// <param name="file">The file.</param>
    /// <param name="isNew">Whether nothing else can be using the blob, so that it may be moved.</param>
    public void Place(string commit, RemoteFile file, bool isNew)
    {
        var pointer = PointerPath(commit, file.Name);
        var blob = BlobPath(file.Etag);
        var folder = Path.GetDirectoryName(pointer)!;
        Directory.CreateDirectory(folder);
        var beside = $"{pointer}.{Guid.NewGuid():N}{AtomicFile.PartialSuffix}";
        try
        {
            if (!TryLink(beside, Path.GetRelativePath(folder, blob)))
            {
                if (isNew)
                {
                    File.Move(blob, pointer, overwrite: true);
                    return;
                }

                File.Copy(blob, beside);
            }

            File.Move(beside, pointer, overwrite: true);
        }
        finally
        {
            File.Delete(beside);
        }
    }

    /// <summary>Remembers that a commit lacks a file, so that Python's tools need not ask either.</summary>
    public void MarkMissing(string commit, string name)
    {
        var mark = Path.Combine(_root, ".no_exist", commit, name);
        if (File.Exists(mark))
            return;
        Directory.CreateDirectory(Path.GetDirectoryName(mark)!);
        using var empty = new FileStream(mark, FileMode.OpenOrCreate, FileAccess.Write, FileShare.ReadWrite);
    }

    /// <summary>Remembers which commit a branch or tag is at. Done last: until then the name leads to the snapshot that was whole before.</summary>
    public void SetRef(string revision, string commit)
    {
        if (revision == commit)
            return;
        var path = Path.Combine([_root, "refs", .. revision.Split('/')]);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        if (!File.Exists(path) || File.ReadAllText(path) != commit)
            AtomicFile.Write(path, stream => stream.Write(System.Text.Encoding.ASCII.GetBytes(commit)));
    }

    public static long? FreeSpaceOf(string folder)
    {
        try
        {
            return new DriveInfo(Path.GetFullPath(folder)).AvailableFreeSpace;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return null; // network shares and the like: writing will tell
        }
    }

    private bool TryLink(string path, string target)
    {
        if (!useLinks)
            return false;
        try
        {
            File.CreateSymbolicLink(path, target);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or PlatformNotSupportedException)
        {
            return false; // Windows without the right to make links, and some file systems
        }
    }
}
