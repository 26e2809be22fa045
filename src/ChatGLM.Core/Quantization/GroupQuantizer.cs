using ChatGLM.Formats;
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

    public int RowsTogether => GroupQuantizedWeight.RowsPerBlock;

    public LinearWeight Announce(string path, Tensor weight)
    {
        var (format, outFeatures, inFeatures) = (FormatOf(path), weight.Shape[0], weight.Shape[1]);
        var numbers = NoStorage.Tensor(weight.Backend, GroupQuantizedWeight.WeightShape(outFeatures, inFeatures, format), DType.UInt8);
        return new GroupQuantizedWeight(numbers, Numbers(), format.HasMinimum ? Numbers() : null, outFeatures, inFeatures, format);

        Tensor Numbers() => NoStorage.Tensor(weight.Backend, GroupQuantizedWeight.ScaleShape(outFeatures, inFeatures, format), DType.BFloat16);
    }

    private static bool IsHead(string path) => path is "lm_head" or "transformer.output_layer";
}
