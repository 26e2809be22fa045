using ChatGLM.Formats;
using ChatGLM.Models;
using ChatGLM.Tensors;

namespace ChatGLM.Quantization;

/// <summary>
/// The quantization of the published ChatGLM snapshots: the four linear layers of each transformer layer in 8 or 4 bits with one scale per row, and in some snapshots of ChatGLM-6B
/// the word embeddings and the output layer too.
/// </summary>
internal sealed class RowQuantizer : IWeightQuantizer
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

    public bool Covers(string path) => path is "transformer.word_embeddings" or "lm_head" ? _coversEmbeddings : WeightQuantizer.IsTransformerLinear(path);

    LinearWeight IWeightQuantizer.Quantize(string path, Tensor weight) => Quantize(path, weight);

    /// <summary>Quantizes the weight of a layer; the dense one is not disposed.</summary>
    public RowQuantizedWeight Quantize(string path, Tensor weight)
    {
        RequireQuantizable(path, weight.Shape[1]);
        var how = HowFor(weight.DType);
        try
        {
            return weight.Backend.Quantize(weight, how);
        }
        catch (TensorException error)
        {
            throw new QuantizationException(path, $"the weight cannot be quantized to {Bits} bits: {error.Message}", error);
        }
    }

    public int RowsTogether => 1;

    public LinearWeight Announce(string path, Tensor weight)
    {
        RequireQuantizable(path, weight.Shape[1]);
        return new RowQuantizedWeight(
            NoStorage.Tensor(weight.Backend, [weight.Shape[0], weight.Shape[1] / (8 / Bits)], DType.Int8), NoStorage.Tensor(weight.Backend, [weight.Shape[0]], HowFor(weight.DType).ScaleType), Bits);
    }

    public void RequireQuantizable(string path, int columns)
    {
        if (Bits == 4 && columns % 2 != 0)
            throw new QuantizationException(path, $"4 bits need an even number of columns, because a byte holds two; the weight has {columns}. Use 8 bits.");
    }

    // ChatGLM-6B rounds the scale to half and divides by what is left; the later models divide first. A scale is stored in half like the weights of every published snapshot; wider
    // weights keep it wide.
    private RowQuantization HowFor(DType dtype) => _isFirstGeneration
        ? new RowQuantization(Bits, DType.Float16, DividesByStoredScale: true)
        : new RowQuantization(Bits, dtype == DType.Float16 ? DType.Float16 : DType.Float32, DividesByStoredScale: false);
}
