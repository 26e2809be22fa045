using System.Text.Json;
using ChatGLM.Formats;

namespace ChatGLM.Generation;

/// <content>generation_config.json.</content>
public sealed partial record GenerationConfig
{
    // The published files have a few hundred bytes; anything near this is not one of them.
    private const long MaxFileBytes = 4 << 20;

    /// <summary>Reads the options of a snapshot from the <see cref="FileName"/> in its folder.</summary>
    /// <param name="folder">The snapshot's folder.</param>
    /// <returns>The options; those that the file leaves out have their defaults.</returns>
    /// <exception cref="GenerationConfigException">There is no such file, or it cannot be read as one.</exception>
    public static GenerationConfig FromPretrained(string folder)
    {
        ArgumentNullException.ThrowIfNull(folder);
        return Load(Path.Combine(folder, FileName));
    }

    /// <summary>Reads the options from a file.</summary>
    /// <param name="file">The path of a generation_config.json.</param>
    /// <returns>The options; those that the file leaves out have their defaults.</returns>
    /// <exception cref="GenerationConfigException">There is no such file, or it cannot be read as one.</exception>
    public static GenerationConfig Load(string file)
    {
        ArgumentNullException.ThrowIfNull(file);
        byte[] json;
        try
        {
            using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.Read);
            if (stream.Length > MaxFileBytes)
                throw new GenerationConfigException(file, $"'{file}' has {stream.Length} bytes; a generation_config.json has at most {MaxFileBytes}.");
            json = new byte[stream.Length];
            stream.ReadExactly(json);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new GenerationConfigException(file, $"'{file}' cannot be read: {error.Message} Without a file, pass a GenerationConfig of your own.", error);
        }

        return FromJson(json, file);
    }

    /// <summary>Reads the options from JSON.</summary>
    /// <param name="utf8Json">The text of a generation_config.json.</param>
    /// <param name="source">What errors call it.</param>
    /// <returns>The options; those that are left out have their defaults.</returns>
    /// <exception cref="GenerationConfigException">It is not JSON, or an option has a value of the wrong kind.</exception>
    public static GenerationConfig FromJson(ReadOnlyMemory<byte> utf8Json, string source = FileName)
    {
        if (!System.Text.Unicode.Utf8.IsValid(utf8Json.Span))
            throw new GenerationConfigException(source, $"'{source}' is not UTF-8.");
        try
        {
            using var document = JsonDocument.Parse(utf8Json);
            return GenerationConfigJson.Read(document.RootElement, source, keepUnknown: true);
        }
        catch (JsonException error)
        {
            throw new GenerationConfigException(source, $"'{source}' is not JSON: {error.Message}", error);
        }
        catch (InvalidOperationException error)
        {
            // Half of a surrogate pair, escaped: the parser lets it through, and it fails when the text is read.
            throw new GenerationConfigException(source, $"'{source}' holds text that is not valid Unicode: {error.Message}", error);
        }
    }

    /// <summary>The options that a model's config.json gives where a snapshot has no generation_config.json (special tokens, mostly).</summary>
    internal static GenerationConfig FromModelConfig(JsonElement config, string source) => GenerationConfigJson.Read(config, source, keepUnknown: false);

    /// <summary>The options as JSON: those that differ from the defaults, and what else was read, sorted by name.</summary>
    /// <returns>UTF-8 text that transformers reads.</returns>
    public byte[] ToJson() => GenerationConfigJson.Write(this);

    /// <summary>Writes <see cref="FileName"/> into a folder; a crash leaves the old file or the new one.</summary>
    /// <param name="folder">The snapshot's folder; it is created when it is not there.</param>
    public void SavePretrained(string folder)
    {
        ArgumentNullException.ThrowIfNull(folder);
        Directory.CreateDirectory(folder);
        AtomicFile.Write(Path.Combine(folder, FileName), stream => stream.Write(ToJson()));
    }
}
