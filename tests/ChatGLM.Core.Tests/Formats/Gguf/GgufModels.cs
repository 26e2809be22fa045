using ChatGLM.Core.Tests.Models;
using ChatGLM.Fuzz.Files;
using ChatGLM.Models;
using ChatGLM.Tensors;
using ChatGLM.Tokenizers;
using ChatGLM.Tokenizers.SentencePiece;

namespace ChatGLM.Core.Tests.Formats.Gguf;

/// <summary>Models as llama.cpp's converter writes them: names, types and metadata from its convert_hf_to_gguf.py for ChatGLM.</summary>
internal static class GgufModels
{
    public const string F32 = "F32", F16 = "F16", BF16 = "BF16";

    private static readonly Dictionary<string, uint> TypeNumbers = new()
    {
        [F32] = 0, [F16] = 1, ["Q4_0"] = 2, ["Q4_1"] = 3, ["Q5_0"] = 6, ["Q5_1"] = 7, ["Q8_0"] = 8, ["Q4_K"] = 12, ["Q5_K"] = 13, ["Q6_K"] = 14, [BF16] = 30,
    };

    private static readonly Dictionary<string, string> Names = new()
    {
        ["transformer.embedding.word_embeddings.weight"] = "token_embd.weight",
        ["transformer.encoder.final_layernorm.weight"] = "output_norm.weight",
        ["transformer.output_layer.weight"] = "output.weight",
        ["input_layernorm.weight"] = "attn_norm.weight",
        ["self_attention.query_key_value.weight"] = "attn_qkv.weight",
        ["self_attention.query_key_value.bias"] = "attn_qkv.bias",
        ["self_attention.dense.weight"] = "attn_output.weight",
        ["post_attention_layernorm.weight"] = "ffn_norm.weight",
        ["mlp.dense_h_to_4h.weight"] = "ffn_up.weight",
        ["mlp.dense_4h_to_h.weight"] = "ffn_down.weight",
    };

    /// <summary>Wide enough for blocks of 256, but for the inner width, which is no multiple of it, as that of the published models is none.</summary>
    public static ChatGLM2Config Wide { get; } = new()
    {
        PaddedVocabSize = 96, HiddenSize = 256, NumAttentionHeads = 4, KvChannels = 64, NumLayers = 2, FfnHiddenSize = 288, SeqLength = 128, MultiQueryGroupNum = 2,
    };

    /// <summary>The types that llama.cpp's Q4_K_M gives such a model: 5 bits for the projections, and where a width is no multiple of 256 the formats of 32 that it falls back to.</summary>
    public static string MixedTypes(string name) => name switch
    {
        "token_embd.weight" => "Q4_K",
        "output.weight" => "Q6_K",
        "blk.0.ffn_down.weight" => "Q8_0",
        _ when name.EndsWith("ffn_down.weight", StringComparison.Ordinal) => "Q5_0",
        _ when name.EndsWith("attn_qkv.weight", StringComparison.Ordinal) => "Q5_K",
        _ => "Q4_K",
    };

    public static string NameOf(string parameter) => Names.TryGetValue(parameter, out var name) ? name
        : parameter.Split("layers.") is [_, var rest] && rest.Split('.', 2) is [var layer, var part] ? $"blk.{layer}.{Names[part]}"
        : throw new ArgumentException(parameter);

    /// <summary>Writes a model. Vectors are always float32.</summary>
    /// <param name="model">The model.</param>
    /// <param name="path">The file.</param>
    /// <param name="typeOf">The type of a matrix, by its name in the file.</param>
    /// <param name="tokenizer">The bytes of a SentencePiece model to put in; null for none.</param>
    /// <param name="change">Changes the file before it is written.</param>
    public static void Write(
        ChatGLMForConditionalGeneration model, string path, Func<string, string> typeOf, byte[]? tokenizer = null, bool hasRoles = false, Action<GgufWriter>? change = null)
    {
        var config = (ChatGLM2Config)model.Config;
        var writer = new GgufWriter()
            .String("general.architecture", "chatglm")
            .String("general.name", "a test")
            .Number("chatglm.context_length", (uint)config.SeqLength)
            .Number("chatglm.embedding_length", (uint)config.HiddenSize)
            .Number("chatglm.feed_forward_length", (uint)config.FfnHiddenSize)
            .Number("chatglm.block_count", (uint)config.NumLayers)
            .Number("chatglm.attention.head_count", (uint)config.NumAttentionHeads)
            .Number("chatglm.attention.head_count_kv", (uint)config.MultiQueryGroupNum)
            .Number("chatglm.attention.layer_norm_rms_epsilon", (float)config.LayernormEpsilon)
            .Number("general.file_type", 2u)
            .Number("chatglm.rope.dimension_count", (uint)(config.HiddenSize / config.NumAttentionHeads / 2))
            .Flag("tokenizer.ggml.add_bos_token", false)
            .Number("chatglm.rope.freq_base", (float)(10000 * config.RopeRatio));
        if (tokenizer is not null)
            AddTokenizer(writer, SentencePieceModel.Parse(tokenizer), config.PaddedVocabSize, hasRoles);
        foreach (var (name, tensor) in model.NamedParameters())
        {
            var gguf = NameOf(name);
            if (gguf == "output.weight" && config.TieWordEmbeddings)
                continue;
            var type = tensor.Shape.Rank == 1 ? F32 : typeOf(gguf);
            writer.Tensor(gguf, Array.ConvertAll(tensor.Shape.ToArray(), size => (long)size), TypeNumbers[type], Pack(tensor, type));
        }

        change?.Invoke(writer);
        File.WriteAllBytes(path, writer.ToArray());
    }

    /// <summary>The model with the numbers that its file in these types has, widened by the plain witness.</summary>
    public static ChatGLMForConditionalGeneration Widened(ChatGLMForConditionalGeneration model, Func<string, string> typeOf, Backend? backend = null)
    {
        var witness = new ReferenceBackend();
        var dense = AutoModel.FromConfig(model.Config, new ModelOptions { Backend = backend });
        var state = new Dictionary<string, Tensor>();
        foreach (var (name, tensor) in model.NamedParameters())
        {
            var values = tensor.ToFloatArray();
            if (tensor.Shape.Rank == 2 && Enum.TryParse<BlockFormat>(typeOf(NameOf(name)), out var format))
            {
                var data = Tensor.From(Pack(tensor, format.ToString()), [tensor.Shape[0], BlockQuantizedWeight.RowBytes(tensor.Shape[1], format)], witness);
                values = witness.Dequantize(new BlockQuantizedWeight(data, tensor.Shape[1], format)).ToFloatArray();
            }

            state.Add(name, Tensor.From(values, tensor.Shape, dense.Backend));
        }

        if (model.Config.TieWordEmbeddings)
            state["transformer.output_layer.weight"] = state["transformer.embedding.word_embeddings.weight"];

        dense.LoadStateDict(state);
        return dense;
    }

    /// <summary>A model of random weights as large as those of a trained one: embeddings and projections that all show in the scores.</summary>
    public static ChatGLMForConditionalGeneration Random(ChatGLM2Config config) => TinyModels.Create(config);

    private static byte[] Pack(Tensor tensor, string type)
    {
        var values = tensor.ToFloatArray();
        return type switch
        {
            F32 => [.. values.SelectMany(BitConverter.GetBytes)],
            F16 => [.. values.SelectMany(v => BitConverter.GetBytes((Half)v))],
            BF16 => [.. values.SelectMany(v => BitConverter.GetBytes(((BFloat16)v).Bits))],
            _ => BlockPacking.Pack(values, Enum.Parse<BlockFormat>(type)),
        };
    }

    /// <summary>As the converter's set_vocab_chatglm3 does: pieces, special tokens, and names for what pads the vocabulary.</summary>
    private static void AddTokenizer(GgufWriter writer, SentencePieceModel model, int paddedVocabSize, bool hasRoles)
    {
        string[] special = ["[MASK]", "[gMASK]", "[sMASK]", "sop", "eop"];
        string[] roles = ["<|system|>", "<|user|>", "<|assistant|>", "<|observation|>"];
        var (tokens, scores, types) = (new List<string>(), new List<float>(), new List<int>());
        for (var id = 0; id < model.Vocabulary.Count; id++)
        {
            tokens.Add(id switch { 0 => "<unk>", 1 => "<bos>", 2 => "<eos>", _ => model.IdToPiece(id) });
            scores.Add(model.Vocabulary.Scores[id]);
            types.Add((int)model.Vocabulary.TypeOf(id));
        }

        foreach (var token in hasRoles ? special.Concat(roles) : special)
        {
            tokens.Add(token);
            scores.Add(0);
            types.Add((int)PieceType.Control);
        }

        while (tokens.Count < paddedVocabSize)
        {
            tokens.Add($"[PAD{tokens.Count}]");
            scores.Add(0);
            types.Add((int)PieceType.Unused);
        }

        writer.String("tokenizer.ggml.model", "llama").String("tokenizer.ggml.pre", "chatglm-spm")
            .Strings("tokenizer.ggml.tokens", tokens).Numbers("tokenizer.ggml.scores", scores).Numbers("tokenizer.ggml.token_type", types)
            .Number("tokenizer.ggml.eos_token_id", 2u).Number("tokenizer.ggml.padding_token_id", 0u);
    }
}
