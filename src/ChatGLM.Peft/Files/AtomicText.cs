namespace ChatGLM.Peft.Files;

/// <summary>Writes a small file beside its final name and renames it into place.</summary>
internal static class AtomicText
{
    public static void Write(string path, ReadOnlySpan<byte> bytes)
    {
        var partial = $"{path}.{Guid.NewGuid():N}.partial";
        try
        {
            using (var stream = new FileStream(partial, FileMode.CreateNew, FileAccess.Write, FileShare.None))
            {
                stream.Write(bytes);
                stream.Flush(flushToDisk: true);
            }

            File.Move(partial, path, overwrite: true);
        }
        catch
        {
            File.Delete(partial);
            throw;
        }
    }
}
