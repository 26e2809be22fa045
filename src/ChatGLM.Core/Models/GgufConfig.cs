using System.Globalization;
using ChatGLM.Formats;

namespace ChatGLM.Models;

/// <summary>The configuration that a GGUF file of the architecture "chatglm" describes: ChatGLM2-6B's and ChatGLM3-6B's code, in llama.cpp's words.</summary>
internal static class GgufConfig
{
    private const string Architecture = "chatglm";

    /// <summary>Reads it from a file.</summary>
    /// <exception cref="CheckpointException">The file is damaged.</exception>
    /// <exception cref="UnsupportedModelException">It holds another kind of model.</exception>
    /// <exception cref="ConfigException">It describes what no model can be built from.</exception>
    public static ChatGLM2Config Read(string path)
    {
        using var region = ByteRegion.Map(path);
        return Read(GgufFile.Open(region));
    }

    public static ChatGLM2Config Read(GgufFile file)
    {
        if (file.FindText(GgufFile.ArchitectureKey) is var architecture && architecture != Architecture)
        {
            throw new UnsupportedModelException(file.Path, $"{GgufFile.ArchitectureKey} is {(architecture is null ? "missing" : $"'{architecture}'")}; of GGUF files only those of the architecture '{Architecture}' are read.");
        }

        if (file.Tensors.ContainsKey("blk.0.attn_q.weight"))
            throw new UnsupportedModelException(file.Path, "query, key and value stand apart (blk.0.attn_q.weight), as in files made from -hf snapshots; only files with all three in attn_qkv are read.");
        var heads = Require(file, "attention.head_count", 1 << 14);
        var groups = (int)(file.FindInteger(Key("attention.head_count_kv"), 1, 1 << 14) ?? heads);
        var hidden = Require(file, "embedding_length", 1 << 20);
        var embedding = RequireMatrix(file, "token_embd.weight");
        var projection = RequireMatrix(file, "blk.0.attn_qkv.weight");
        // llama.cpp takes the width of a head for hidden / heads; the projection says what it is.
        var headDim = (int)Math.Min(projection[0] / (heads + (2L * groups)), 1 << 20);
        if (projection[0] != (long)headDim * (heads + (2L * groups)))
            throw new ConfigException(file.Path, Key("attention.head_count"), $"and head_count_kv, {heads} and {groups}, do not divide the {projection[0]} rows of attn_qkv.");
        if (file.FindInteger(Key("rope.dimension_count"), 1, 1 << 20) is { } rotated && rotated * 2 != headDim)
            throw new UnsupportedModelException(file.Path, $"'{Key("rope.dimension_count")}' is {rotated}; half of the {headDim} elements of a head was expected, as these models rotate.");
        var rotaryBase = file.FindNumber(Key("rope.freq_base"), 1, 1e12) ?? 10000;
        var config = new ChatGLM2Config
        {
            Origin = file.Path,
            NameOrPath = file.FindText("general.name") ?? "",
            NumLayers = Require(file, "block_count", 4096),
            HiddenSize = hidden,
            NumAttentionHeads = heads,
            KvChannels = headDim,
            MultiQueryAttention = true,
            MultiQueryGroupNum = groups,
            FfnHiddenSize = Require(file, "feed_forward_length", 1 << 20),
            PaddedVocabSize = (int)Math.Min(embedding[0], int.MaxValue),
            SeqLength = Require(file, "context_length", 1 << 24),
            // A float32 in the file: 1e-5 as the shortest number that is the same float32.
            LayernormEpsilon = double.Parse(((float)(file.FindNumber(Key("attention.layer_norm_rms_epsilon"), 0, 1) ?? 1e-5)).ToString("R", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture),
            AddQkvBias = file.Tensors.ContainsKey("blk.0.attn_qkv.bias"),
            AddBiasLinear = false,
            RopeRatio = rotaryBase / 10000,
            RopeScaling = RopeScaling.MultiplyBase,
            TieWordEmbeddings = !file.Tensors.ContainsKey("output.weight"),
        };
        if (file.FindInteger("tokenizer.ggml.eos_token_id", 0, int.MaxValue) is { } eos)
            config = config with { EosTokenIds = [(int)eos] };
        config.Validate();
        return config;
    }

    private static string Key(string name) => $"{Architecture}.{name}";

    private static int Require(GgufFile file, string name, int max) =>
        (int)(file.FindInteger(Key(name), 1, max) ?? throw new ConfigException(file.Path, Key(name), "is missing from the file's metadata. Convert the model again with llama.cpp's convert_hf_to_gguf.py."));

    private static long[] RequireMatrix(GgufFile file, string name) => file.Tensors.TryGetValue(name, out var tensor) && tensor.Shape.Length == 2
        ? tensor.Shape
        : throw new CheckpointException(file.Path, $"there is no matrix '{name}', which every model of this architecture has. The file is damaged, or holds a vocabulary alone.");
}
