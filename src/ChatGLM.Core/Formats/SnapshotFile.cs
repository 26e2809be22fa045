namespace ChatGLM.Formats;

/// <summary>Reads the small files of a snapshot: bounded, and never from outside the snapshot.</summary>
internal static class SnapshotFile
{
    /// <summary>The whole file.</summary>
    /// <param name="path">A file directly in the snapshot's folder.</param>
    /// <param name="maxBytes">The most bytes that such a file can have.</param>
    /// <param name="error">Makes the caller's kind of exception from what is wrong.</param>
    public static byte[] Read(string path, int maxBytes, Func<string, Exception?, ChatGLMException> error)
    {
        try
        {
            if (SnapshotPath.ProblemWithTarget(Path.GetDirectoryName(Path.GetFullPath(path))!, path) is { } problem)
                throw error($"the file {problem}. Nothing was read from it.", null);
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
            if (file.Length > maxBytes)
                throw error($"the file has {file.Length} bytes, expected at most {maxBytes}. Check that this is the right file.", null);
            // The length is only what the system says: some things that open as files have none.
            var bytes = new byte[file.Length];
            var read = file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
            return read == bytes.Length ? bytes : throw error($"the file ended after {read} of {bytes.Length} bytes. Download it again.", null);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw error($"the file cannot be read: {e.Message} Download the snapshot again, or correct the path.", e);
        }
    }
}
