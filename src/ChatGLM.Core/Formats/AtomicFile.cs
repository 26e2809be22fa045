namespace ChatGLM.Formats;

/// <summary>Writes a file beside its final name and renames it into place: after a crash there is the old file or the new one, never half of one.</summary>
internal static class AtomicFile
{
    /// <summary>The end of the names of files that are not finished.</summary>
    public const string PartialSuffix = ".partial";

    public static void Write(string path, Action<Stream> write)
    {
        var partial = WriteBeside(path, write);
        try
        {
            File.Move(partial, path, overwrite: true);
        }
        catch
        {
            File.Delete(partial);
            throw;
        }
    }

    /// <summary>Writes and flushes to the disk, under a name that nobody reads; returns that name. Nothing is left when writing fails.</summary>
    public static string WriteBeside(string path, Action<Stream> write)
    {
        var partial = $"{path}.{Guid.NewGuid():N}{PartialSuffix}";
        try
        {
            using var stream = new FileStream(partial, FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 1 << 16);
            write(stream);
            stream.Flush(flushToDisk: true);
        }
        catch
        {
            File.Delete(partial);
            throw;
        }

        return partial;
    }
}
