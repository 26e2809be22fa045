namespace ChatGLM.Snapshots;

/// <summary>A snapshot cannot be written: its folder is in use, or the disk is full. Nothing of it is left.</summary>
public sealed class SnapshotWriteException : ChatGLMException
{
    internal SnapshotWriteException(string folder, string problem, Exception? cause = null)
        : base($"{folder}: {problem}", cause) => Folder = folder;

    /// <summary>The folder that was to be written.</summary>
    public string Folder { get; }
}
