using ChatGLM.Models;

namespace ChatGLM.Tool.Info;

/// <summary>How many parameters a configuration describes, and how large they are in each format, without loading anything.</summary>
/// <param name="Linear">Those of the linear layers of the transformer, which quantization packs; biases are not among them.</param>
/// <param name="Head">Those of the output layer; 0 if it shares the embedding's.</param>
/// <param name="Embedding">Those of the embedding.</param>
/// <param name="Rest">Norms, biases and a prefix.</param>
/// <param name="IsTied">Whether the output layer is the embedding.</param>
internal sealed record ParameterCount(long Linear, long Head, long Embedding, long Rest, bool IsTied)
{
    public long Total => Linear + Head + Embedding + Rest;

    public static ParameterCount Of(ChatGLMConfig config) => config switch
    {
        ChatGLM6BConfig first => Of(first),
        ChatGLM2Config second => Of(second),
        _ => throw new NotSupportedException($"{config.GetType().Name} is not known."),
    };

    /// <summary>The bytes in memory with weights of so many bytes each.</summary>
    public long DenseBytes(int bytesPerWeight) => Total * bytesPerWeight;

    /// <summary>The bytes with group-wise quantization: groups of 32 with a 16-bit scale, an output layer of 8 bits with numbers of its own also where it is tied, the rest in 16 bits.</summary>
    public long GroupBytes(int bits) => (long)((Linear * (bits + 0.5) / 8) + ((IsTied ? Embedding : Head) * 8.5 / 8)) + ((Embedding + Rest) * 2);

    private static ParameterCount Of(ChatGLM6BConfig config)
    {
        long hidden = config.HiddenSize, inner = config.InnerHiddenSize, layers = config.NumLayers, embedding = config.VocabSize * hidden;
        var linear = layers * ((4 * hidden * hidden) + (2 * hidden * inner));
        var rest = (layers * ((4 * hidden) + (4 * hidden) + inner + hidden)) + (2 * hidden) + Prefix(config);
        return new ParameterCount(linear, config.TieWordEmbeddings ? 0 : embedding, embedding, rest, config.TieWordEmbeddings);
    }

    private static ParameterCount Of(ChatGLM2Config config)
    {
        long hidden = config.HiddenSize, ffn = config.FfnHiddenSize, layers = config.NumLayers, embedding = config.PaddedVocabSize * hidden;
        long projection = (long)config.NumAttentionHeads * config.HeadDim, attention = projection + (2L * config.KeyValueHeads * config.HeadDim);
        var norm = config.Rmsnorm ? hidden : 2 * hidden;
        var linear = layers * ((attention * hidden) + (projection * hidden) + (3 * ffn * hidden));
        var biases = (config.AddBiasLinear || config.AddQkvBias ? attention : 0) + (config.AddBiasLinear ? hidden + (2 * ffn) + hidden : 0);
        var rest = (layers * ((2 * norm) + biases)) + (config.PostLayerNorm ? norm : 0) + Prefix(config);
        return new ParameterCount(linear, config.TieWordEmbeddings ? 0 : embedding, embedding, rest, config.TieWordEmbeddings);
    }

    /// <summary>A P-Tuning v2 prefix: keys and values of every layer, made by a small network if it has a projection.</summary>
    private static long Prefix(ChatGLMConfig config)
    {
        if (config.PreSeqLen is not { } length)
            return 0;
        long width = 2L * config.NumLayers * config.KeyValueHeads * config.HeadDim, hidden = config.HiddenSize;
        if (!config.PrefixProjection)
            return length * width;
        // THUDM's encoder embeds in the width of the keys and values for ChatGLM2, in the hidden size for ChatGLM-6B.
        var embedded = config is ChatGLM6BConfig ? hidden : width;
        return (length * embedded) + (embedded * hidden) + hidden + (hidden * width) + width;
    }
}
