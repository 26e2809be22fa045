using ChatGLM.Formats;
using ChatGLM.Hub;
using ChatGLM.Models;
using ChatGLM.Snapshots;

namespace ChatGLM;

/// <summary>Reads the configuration of a snapshot and decides which architecture it describes.</summary>
public static class AutoConfig
{
    /// <summary>Reads <c>config.json</c>.</summary>
    /// <param name="pathOrRepo">A snapshot folder, or a repo id such as <c>THUDM/chatglm2-6b</c>, whose configuration is downloaded if the Hugging Face cache does not hold it.</param>
    /// <param name="options">The revision, the cache and the hub, and what to change, as for <see cref="AutoModel"/>; null for the defaults.</param>
    /// <exception cref="SnapshotNotFoundException">There is no such folder, or nothing may be downloaded and the cache does not hold the repo.</exception>
    /// <exception cref="HubException">The repo cannot be downloaded; the derived type says why.</exception>
    /// <exception cref="ConfigException">The file is missing, damaged, or holds values that no model can have.</exception>
    /// <exception cref="UnsupportedModelException">The file describes another kind of model.</exception>
    public static ChatGLMConfig FromPretrained(string pathOrRepo, ModelOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(pathOrRepo);
        options ??= new ModelOptions();
        return options.Apply(FromFolder(SnapshotResolver.Resolve(
            pathOrRepo, options.Revision, options.CacheDir, options.LocalFilesOnly, options.Hub, SnapshotParts.Config, options.CancellationToken)));
    }

    /// <summary>Does what <see cref="FromPretrained"/> does without holding the caller's thread while the file is downloaded.</summary>
    /// <param name="pathOrRepo">A snapshot folder, or a repo id.</param>
    /// <param name="options">As for <see cref="AutoModel"/>; null for the defaults.</param>
    /// <param name="cancellationToken">Stops the download.</param>
    public static async Task<ChatGLMConfig> FromPretrainedAsync(string pathOrRepo, ModelOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(pathOrRepo);
        options ??= new ModelOptions();
        return options.Apply(FromFolder(await SnapshotResolver.ResolveAsync(
            pathOrRepo, options.Revision, options.CacheDir, options.LocalFilesOnly, options.Hub, SnapshotParts.Config, cancellationToken).ConfigureAwait(false)));
    }

    /// <summary>Of a snapshot's folder, or of a GGUF file.</summary>
    internal static ChatGLMConfig FromFolder(string folder) =>
        GgufFile.IsAt(folder) ? GgufConfig.Read(folder) : Read(ConfigReader.FromFile(Path.Combine(folder, "config.json")));

    /// <summary>Reads a config.json from memory: what the fuzzer calls.</summary>
    /// <param name="utf8">The file's bytes.</param>
    /// <param name="source">What messages call the file.</param>
    internal static ChatGLMConfig Parse(ReadOnlyMemory<byte> utf8, string source = "config.json") => Read(ConfigReader.Parse(source, utf8));

    private static ChatGLMConfig Read(ConfigReader reader)
    {
        RequireSupported(reader);
        ChatGLMConfig config = IsFirstGeneration(reader) ? new ChatGLM6BConfig(reader) : new ChatGLM2Config(reader);
        config.Validate();
        return config;
    }

    private static void RequireSupported(ConfigReader reader)
    {
        if (reader.String("model_type") is { } type && type != "chatglm")
            throw new UnsupportedModelException(reader.Source, $"model_type '{type}' is not known.");
        var architectures = reader.Strings("architectures");
        foreach (var architecture in architectures)
        {
            if (architecture is not ("ChatGLMModel" or "ChatGLMForConditionalGeneration" or "ChatGLMForSequenceClassification"))
                throw new UnsupportedModelException(reader.Source, $"architecture '{architecture}' is not known.");
        }

        if (reader.StringIn("auto_map", "AutoModel") is { } mapped && !mapped.EndsWith(".ChatGLMForConditionalGeneration", StringComparison.Ordinal)
            && !mapped.EndsWith(".ChatGLMModel", StringComparison.Ordinal) && !mapped.EndsWith(".ChatGLMForSequenceClassification", StringComparison.Ordinal))
            throw new UnsupportedModelException(reader.Source, $"auto_map names the model class '{mapped}', which is not known.");
        if (!reader.Has("model_type") && architectures.Count == 0 && !reader.Has("auto_map"))
            throw new UnsupportedModelException(reader.Source, "the file names no model_type, no architectures and no auto_map.");
    }

    /// <summary>Both generations call themselves ChatGLMModel of type chatglm: their field names tell them apart.</summary>
    private static bool IsFirstGeneration(ConfigReader reader)
    {
        string[] first = ["inner_hidden_size", "max_sequence_length", "position_encoding_2d", "gmask_token_id", "mask_token_id"];
        string[] second = ["padded_vocab_size", "ffn_hidden_size", "kv_channels", "multi_query_attention", "rmsnorm", "seq_length"];
        var (ofFirst, ofSecond) = (first.Count(reader.Has), second.Count(reader.Has));
        if (ofFirst == 0 && ofSecond == 0)
            throw new UnsupportedModelException(reader.Source, "the file has neither the fields of ChatGLM-6B (inner_hidden_size, ...) nor those of ChatGLM2-6B (ffn_hidden_size, ...).");
        return ofFirst > ofSecond;
    }
}
