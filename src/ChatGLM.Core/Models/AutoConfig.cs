using ChatGLM.Models;
using ChatGLM.Snapshots;

namespace ChatGLM;

/// <summary>Reads the configuration of a snapshot and decides which architecture it describes.</summary>
public static class AutoConfig
{
    /// <summary>Reads <c>config.json</c>.</summary>
    /// <param name="pathOrRepo">A snapshot folder, or a repo id such as <c>THUDM/chatglm2-6b</c> that the local Hugging Face cache holds.</param>
    /// <exception cref="SnapshotNotFoundException">There is no such folder, and the cache does not hold such a repo.</exception>
    /// <exception cref="ConfigException">The file is missing, damaged, or holds values that no model can have.</exception>
    /// <exception cref="UnsupportedModelException">The file describes another kind of model.</exception>
    public static ChatGLMConfig FromPretrained(string pathOrRepo)
    {
        ArgumentException.ThrowIfNullOrEmpty(pathOrRepo);
        return FromFolder(SnapshotLocator.Find(pathOrRepo, revision: null, cacheDir: null));
    }

    internal static ChatGLMConfig FromFolder(string folder) => Read(ConfigReader.FromFile(Path.Combine(folder, "config.json")));

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
