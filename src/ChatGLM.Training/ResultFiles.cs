using System.Text.Encodings.Web;
using System.Text.Json;

namespace ChatGLM.Training;

/// <summary>Result files of a script, each written beside and renamed into place.</summary>
internal static class ResultFiles
{
    public static void WriteBeside(string path, Action<Stream> write)
    {
        var partial = $"{path}.{Guid.NewGuid():N}.partial";
        try
        {
            using (var stream = new FileStream(partial, FileMode.CreateNew, FileAccess.Write, FileShare.None))
            {
                write(stream);
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

    public static void SaveMetrics(string folder, string split, IReadOnlyDictionary<string, double> metrics)
    {
        Directory.CreateDirectory(folder);
        Write(Path.Combine(folder, split + "_results.json"), metrics);
        var all = Path.Combine(folder, "all_results.json");
        var merged = new Dictionary<string, double>();
        if (File.Exists(all))
        {
            try
            {
                using var document = JsonDocument.Parse(File.ReadAllBytes(all));
                foreach (var property in document.RootElement.EnumerateObject().Where(p => p.Value.ValueKind == JsonValueKind.Number))
                    merged[property.Name] = property.Value.GetDouble();
            }
            catch (Exception error) when (error is JsonException or InvalidOperationException)
            {
                throw new TrainingDataException(all, $"this is no file of results: {error.Message} Move it away.");
            }
        }

        foreach (var (key, value) in metrics)
            merged[key] = value;
        Write(all, merged);
    }

    private static void Write(string path, IReadOnlyDictionary<string, double> metrics) => WriteBeside(path, stream =>
    {
        using var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true, IndentSize = 4, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
        json.WriteStartObject();
        foreach (var (key, value) in metrics.OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            if (double.IsFinite(value))
                json.WriteNumber(key, value);
            else
                json.WriteNull(key);
        }

        json.WriteEndObject();
    });
}
