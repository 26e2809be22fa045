using ChatGLM.Formats;
using ChatGLM.Fuzz.Files;
using ChatGLM.Models;
using ChatGLM.Tokenizers;

namespace ChatGLM.Fuzz.Targets;

internal static class GgufTarget
{
    private const uint F32 = 0, F16 = 1, Q40 = 2, Q80 = 8;

    public static IReadOnlyList<byte[]> Seeds { get; } = [Model(null), Model(new FuzzRandom(1, 1), isDamaged: false)];

    /// <summary>Reads header, configuration and tokenizer, and the ends of all tensors.</summary>
    public static void Read(byte[] bytes)
    {
        using var region = ByteRegion.Copy("fuzz", bytes);
        var file = GgufFile.Open(region);
        foreach (var tensor in file.Tensors.Values)
            Touch.Ends(file.Bytes(tensor));
        _ = GgufConfig.Read(file);
        _ = GgufTokenizer.Open(file, new TokenizerOptions()).Encode("ab 你好<0x00>");
    }

    public static byte[] Grammar(FuzzRandom random) => Model(random);

    private static byte[] Model(FuzzRandom? random, bool isDamaged = true)
    {
        var lies = isDamaged ? random : null;
        string[] special = ["[MASK]", "[gMASK]", "[sMASK]", "sop", "eop", "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>"];
        string[] pieces = ["<unk>", "<bos>", "<eos>", "\u2581", "a", "b", "ab", "\u2581ab", "你", "好"];
        List<string> tokens = [.. pieces, .. special.Take(random?.OneIn(2) == true ? 5 : 9), "[PAD19]"];
        var types = tokens.Select((_, id) => id == 0 ? 2 : id < 3 ? 3 : id < pieces.Length ? 1 : id < tokens.Count - 1 ? 3 : 5).ToArray();
        if (lies?.OneIn(6) == true)
            types[lies.Below(types.Length)] = (int)lies.Edge();
        if (lies?.OneIn(8) == true)
            tokens[lies.Below(tokens.Count)] = lies.Of(["", "a", "\u0000", new string('x', 600)]);
        var writer = new GgufWriter { Version = lies?.OneIn(20) == true ? (uint)lies.Edge() : random?.OneIn(2) == true ? 2u : 3u, OffsetError = lies?.OneIn(15) == true ? lies.Edge() : 0 }
            .String("general.architecture", lies?.OneIn(15) == true ? "llama" : "chatglm")
            .Number("chatglm.context_length", Size(32))
            .Number("chatglm.embedding_length", Size(32))
            .Number("chatglm.feed_forward_length", Size(64))
            .Number("chatglm.block_count", Size(1))
            .Number("chatglm.attention.head_count", Size(4))
            .Number("chatglm.attention.head_count_kv", Size(2))
            .Number("chatglm.attention.layer_norm_rms_epsilon", lies?.OneIn(15) == true ? float.NaN : 1e-5f)
            .Number("chatglm.rope.dimension_count", Size(4))
            .Number("chatglm.rope.freq_base", 10000f)
            .String("tokenizer.ggml.model", "llama")
            .Strings("tokenizer.ggml.tokens", tokens)
            .Numbers("tokenizer.ggml.scores", tokens.Select((_, id) => lies?.OneIn(200) == true ? float.NaN : -id).ToArray())
            .Numbers("tokenizer.ggml.token_type", lies?.OneIn(15) == true ? types[..^1] : types);
        if (lies?.OneIn(10) == true)
            writer.Raw("more", (uint)lies.Below(14), BitConverter.GetBytes(lies.Edge()));
        writer.Tensor("token_embd.weight", [tokens.Count, 32], lies?.OneIn(15) == true ? (uint)lies.Below(45) : Q40, new byte[tokens.Count * 18]);
        writer.Tensor("blk.0.attn_qkv.weight", [64, 32], Q80, new byte[64 * 34]);
        writer.Tensor("blk.0.attn_norm.weight", lies?.OneIn(10) == true ? [(long)(lies.Edge() >> 1), 2] : [32], F32, new byte[32 * 4]);
        writer.Tensor(lies?.OneIn(15) == true ? "token_embd.weight" : "output.weight", [tokens.Count, 32], F16, new byte[tokens.Count * 64]);
        return writer.ToArray();

        uint Size(uint usual) => lies?.OneIn(25) == true ? (uint)lies.Edge() : usual;
    }
}
