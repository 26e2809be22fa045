using System.Globalization;

namespace ChatGLM.Formats;

/// <summary>From the names of tensors in a GGUF file of the architecture "chatglm" to those of the state dict (gguf-py's tensor_mapping.py has the same table the other way round).</summary>
internal static class GgufNames
{
    private const string BlockPrefix = "blk.";

    private static readonly Dictionary<string, string> OfModel = new(StringComparer.Ordinal)
    {
        ["token_embd.weight"] = "transformer.embedding.word_embeddings.weight",
        ["output_norm.weight"] = "transformer.encoder.final_layernorm.weight",
        ["output.weight"] = "transformer.output_layer.weight",
    };

    private static readonly Dictionary<string, string> OfLayer = new(StringComparer.Ordinal)
    {
        ["attn_norm.weight"] = "input_layernorm.weight",
        ["attn_qkv.weight"] = "self_attention.query_key_value.weight",
        ["attn_qkv.bias"] = "self_attention.query_key_value.bias",
        ["attn_output.weight"] = "self_attention.dense.weight",
        ["ffn_norm.weight"] = "post_attention_layernorm.weight",
        ["ffn_up.weight"] = "mlp.dense_h_to_4h.weight",
        ["ffn_down.weight"] = "mlp.dense_4h_to_h.weight",
    };

    /// <summary>The name in the state dict; the name itself where none is known.</summary>
    public static string ToStateDict(string name)
    {
        if (OfModel.TryGetValue(name, out var known))
            return known;
        if (!name.StartsWith(BlockPrefix, StringComparison.Ordinal) || name.IndexOf('.', BlockPrefix.Length) is not (> 0 and var dot))
            return name;
        return int.TryParse(name.AsSpan(BlockPrefix.Length..dot), NumberStyles.None, CultureInfo.InvariantCulture, out var layer) && OfLayer.TryGetValue(name[(dot + 1)..], out var part)
            ? string.Create(CultureInfo.InvariantCulture, $"transformer.encoder.layers.{layer}.{part}")
            : name;
    }
}
