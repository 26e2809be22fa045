using ChatGLM.Tensors;

namespace ChatGLM.Quantization;

/// <summary>Group-wise quantization of the four linear layers of each transformer layer, and of the output layer if asked.</summary>
internal sealed class GroupQuantizer(QuantizationConfig config) : IWeightQuantizer
{
    public bool Covers(string path) => IsHead(path) ? config.HeadBits != 0 : WeightQuantizer.IsTransformerLinear(path);

    /// <summary>The format of a layer that is covered.</summary>
    public GroupQuantization FormatOf(string path) => IsHead(path) ? config.HeadFormat : config.LayerFormat;

    /// <summary>Rows are filled up to whole groups, so any width will do.</summary>
    public void RequireQuantizable(string path, int columns)
    {
    }

    public LinearWeight Quantize(string path, Tensor weight)
    {
        try
        {
            return weight.Backend.Quantize(weight, FormatOf(path));
        }
        catch (TensorException error)
        {
            throw new QuantizationException(path, $"the weight cannot be quantized to {FormatOf(path).Bits} bits: {error.Message}", error);
        }
    }

    private static bool IsHead(string path) => path is "lm_head" or "transformer.output_layer";
}
