using ChatGLM.Models;
using ChatGLM.Tensors;

namespace ChatGLM.Quantization;

/// <summary>
/// The quantization of the published ChatGLM snapshots: the four linear layers of each transformer layer in 8 or 4 bits with one scale per row, and in some snapshots of ChatGLM-6B
/// the word embeddings and the output layer too.
/// </summary>
internal sealed class RowQuantizer
{
    private readonly bool _isFirstGeneration;
    private readonly bool _coversEmbeddings;

    public RowQuantizer(ChatGLMConfig config, int bits)
    {
        Bits = bits;
        _isFirstGeneration = config is ChatGLM6BConfig;
        _coversEmbeddings = config is ChatGLM6BConfig { QuantizationEmbeddings: true };
    }

    /// <summary>8 or 4.</summary>
    public int Bits { get; }

    /// <summary>The quantizer that a configuration asks for; null for none.</summary>
    public static RowQuantizer? For(ChatGLMConfig config) => config.QuantizationBit == 0 ? null : new RowQuantizer(config, config.QuantizationBit);

    /// <summary>Whether the layer at a path, such as <c>transformer.layers.0.mlp.dense_h_to_4h</c>, is one of those that are quantized.</summary>
    public bool Covers(string path)
    {
        if (path is "transformer.word_embeddings" or "lm_head")
            return _coversEmbeddings;
        var name = path[(path.LastIndexOf('.') + 1)..];
        return name is "query_key_value" or "dense" or "dense_h_to_4h" or "dense_4h_to_h" && path.Contains(".layers.", StringComparison.Ordinal);
    }

    /// <summary>Quantizes the weight of a layer; the dense one is not disposed.</summary>
    public RowQuantizedWeight Quantize(string path, Tensor weight)
    {
        RequireQuantizable(path, weight.Shape[1]);
        // ChatGLM-6B rounds the scale to half and divides by what is left; the later models divide first. A scale is stored in half like the weights of every published snapshot; wider
        // weights keep it wide.
        var how = _isFirstGeneration
            ? new RowQuantization(Bits, DType.Float16, DividesByStoredScale: true)
            : new RowQuantization(Bits, weight.DType == DType.Float16 ? DType.Float16 : DType.Float32, DividesByStoredScale: false);
        try
        {
            return weight.Backend.Quantize(weight, how);
        }
        catch (TensorException error)
        {
            throw new QuantizationException(path, $"the weight cannot be quantized to {Bits} bits: {error.Message}", error);
        }
    }

    /// <summary>Refuses a width that the format cannot hold.</summary>
    public void RequireQuantizable(string path, int columns)
    {
        if (Bits == 4 && columns % 2 != 0)
            throw new QuantizationException(path, $"4 bits need an even number of columns, because a byte holds two; the weight has {columns}. Use 8 bits.");
    }
}
