using ChatGLM.Formats;

namespace ChatGLM.Snapshots;

/// <summary>
/// A snapshot folder in the making. Until <see cref="Keep"/>, everything in it can be taken away again, and is when this object is disposed; config.json is written last.
/// </summary>
internal sealed class NewSnapshot : IDisposable
{
    /// <summary>The file without which a folder is no snapshot.</summary>
    public const string ConfigFile = "config.json";

    private readonly List<string> _made = [];
    private readonly List<string> _foldersMade = [];
    private bool _isKept;

    private NewSnapshot(string folder) => Folder = folder;

    public string Folder { get; }

    /// <summary>Begins a snapshot in a new folder, or in one that is empty but for what a run that was killed left behind, which is taken away.</summary>
    /// <exception cref="SnapshotWriteException">The folder holds something else, or cannot be made.</exception>
    public static NewSnapshot Begin(string destination)
    {
        var folder = Path.TrimEndingDirectorySeparator(Path.GetFullPath(destination));
        var snapshot = new NewSnapshot(folder);
        try
        {
            if (File.Exists(folder))
                throw new SnapshotWriteException(folder, "this is a file; a new folder was expected.");
            snapshot.CreateFolders();
            foreach (var path in Directory.EnumerateFileSystemEntries(folder).ToList())
            {
                if (!ShardedSafetensorsWriter.IsLeftover(Path.GetFileName(path)))
                    throw new SnapshotWriteException(folder, $"the folder holds '{Path.GetFileName(path)}' already. Give a new folder, or an empty one: what is there is not overwritten.");
            }

            foreach (var path in Directory.EnumerateFiles(folder))
                File.Delete(path);
            return snapshot;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            snapshot.Dispose();
            throw new SnapshotWriteException(folder, $"the folder cannot be made: {e.Message}", e);
        }
        catch
        {
            snapshot.Dispose();
            throw;
        }
    }

    /// <summary>A name for a file that is not finished.</summary>
    public string NewPartial(string name)
    {
        var path = $"{Path.Combine(Folder, name)}.{Guid.NewGuid():N}{AtomicFile.PartialSuffix}";
        _made.Add(path);
        return path;
    }

    /// <summary>Gives a finished file its name.</summary>
    public void Rename(string partial, string name) => Add(name, path => File.Move(partial, path));

    /// <summary>Makes a file.</summary>
    public void Add(string name, Action<string> write)
    {
        var path = Path.Combine(Folder, name);
        _made.Add(path);
        write(path);
    }

    /// <summary>The snapshot is whole: nothing is taken away any more.</summary>
    public void Keep() => _isKept = true;

    public void Dispose()
    {
        if (_isKept)
            return;
        _isKept = true;
        _made.ForEach(File.Delete);
        for (var i = _foldersMade.Count - 1; i >= 0; i--)
        {
            if (!Directory.EnumerateFileSystemEntries(_foldersMade[i]).Any())
                Directory.Delete(_foldersMade[i]);
        }
    }

    private void CreateFolders()
    {
        var missing = new Stack<string>();
        for (var path = Folder; path is not null && !Directory.Exists(path); path = Path.GetDirectoryName(path))
            missing.Push(path);
        foreach (var path in missing)
        {
            Directory.CreateDirectory(path);
            _foldersMade.Add(path);
        }
    }
}
