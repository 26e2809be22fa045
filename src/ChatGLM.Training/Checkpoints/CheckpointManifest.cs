using System.Security.Cryptography;
using System.Text.Json;

namespace ChatGLM.Training;

/// <summary>
/// The list of a checkpoint's files with their lengths and SHA-256 hashes, so that a file that was cut off, changed or mixed in from another checkpoint is found before any of it is
/// used.
/// </summary>
internal static class CheckpointManifest
{
    public const string FileName = "manifest.json";
    private const int LargestFileBytes = 1 << 20;

    /// <summary>Flushes every file of a folder to the disk and writes the list of them.</summary>
    public static void Write(string folder)
    {
        using var stream = new FileStream(Path.Combine(folder, FileName), FileMode.CreateNew, FileAccess.Write, FileShare.None);
        using var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true });
        json.WriteStartObject();
        json.WriteNumber("version", 1);
        json.WriteStartObject("files");
        // Adapters that are not called default have folders of their own.
        var files = Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Select(path => Path.GetRelativePath(folder, path).Replace(Path.DirectorySeparatorChar, '/'));
        foreach (var name in files.Where(name => name != FileName).Order(StringComparer.Ordinal).ToArray())
        {
            var path = Path.Combine(folder, name);
            json.WriteStartObject(name);
            using (var file = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.Read))
            {
                file.Flush(flushToDisk: true);
                json.WriteNumber("bytes", file.Length);
                json.WriteString("sha256", Convert.ToHexStringLower(SHA256.HashData(file)));
            }

            json.WriteEndObject();
        }

        json.WriteEndObject();
        json.WriteEndObject();
        json.Flush();
        stream.Flush(flushToDisk: true);
    }

    /// <summary>Checks the files of a checkpoint against the list, if there is one: checkpoints that Python wrote have none.</summary>
    /// <exception cref="TrainingCheckpointException">A file is missing or has other content.</exception>
    public static void Verify(string folder)
    {
        var path = Path.Combine(folder, FileName);
        if (!File.Exists(path))
            return;
        try
        {
            if (new FileInfo(path).Length > LargestFileBytes)
                throw new TrainingCheckpointException(path, "the list of files is too large to be one.");
            using var document = JsonDocument.Parse(File.ReadAllBytes(path), new JsonDocumentOptions { MaxDepth = 8 });
            foreach (var entry in document.RootElement.GetProperty("files").EnumerateObject())
                Verify(folder, entry.Name, entry.Value.GetProperty("bytes").GetInt64(), entry.Value.GetProperty("sha256").GetString()!);
        }
        catch (Exception error) when (error is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new TrainingCheckpointException(path, $"the list of files is damaged: {error.Message} Use an earlier checkpoint.", error);
        }
    }

    private static void Verify(string folder, string name, long bytes, string sha256)
    {
        if (name.Length == 0 || name.Contains('\\', StringComparison.Ordinal) || Path.IsPathRooted(name) || name.Split('/').Any(part => part is "" or "." or ".."))
            throw new TrainingCheckpointException(folder, $"the list of files names '{name}', which is not a file of this folder.");
        var path = Path.Combine(folder, name);
        if (!File.Exists(path))
            throw new TrainingCheckpointException(path, "the file is missing. Use an earlier checkpoint.");
        using var file = File.OpenRead(path);
        if (file.Length != bytes)
            throw new TrainingCheckpointException(path, $"expected {bytes} bytes, found {file.Length}. Use an earlier checkpoint.");
        var found = Convert.ToHexStringLower(SHA256.HashData(file));
        if (!string.Equals(found, sha256, StringComparison.OrdinalIgnoreCase))
            throw new TrainingCheckpointException(path, $"expected the SHA-256 {sha256}, found {found}: the file was changed or is damaged. Use an earlier checkpoint.");
    }
}
