using ChatGLM.Formats;
using ChatGLM.Tensors;

namespace ChatGLM.Models;

internal sealed partial class CheckpointWeights
{
    private const string WeightSuffix = ".weight";

    public LinearWeight GetLinear(string name, int outFeatures, int inFeatures, Initializer initialize)
    {
        var path = name.EndsWith(WeightSuffix, StringComparison.Ordinal) ? name[..^WeightSuffix.Length] : name;
        if (quantizer is null || !quantizer.Covers(path))
            return new DenseWeight(Get(name, [outFeatures, inFeatures], initialize));
        options.CancellationToken.ThrowIfCancellationRequested();
        if (!checkpoint.Entries.TryGetValue(name, out var entry))
            return new DenseWeight(Get(name, [outFeatures, inFeatures], initialize));
        quantizer.RequireQuantizable(path, inFeatures);
        return entry.DType == DType.Int8
            ? ReadQuantized(entry, quantizer.Bits, outFeatures, inFeatures)
            : QuantizeWhileLoading(entry, path, outFeatures, inFeatures);
    }

    /// <summary>The published form: integers under <c>weight</c>, scales under <c>weight_scale</c>.</summary>
    private LinearWeight ReadQuantized(CheckpointEntry entry, int bits, int outFeatures, int inFeatures)
    {
        var scaleName = $"{entry.Name}_scale";
        var fits = HasShape(entry, [outFeatures, inFeatures / (8 / bits)]);
        if (!checkpoint.Entries.TryGetValue(scaleName, out var scale))
        {
            Missing.Add(scaleName);
            fits = false;
        }
        else if (!HasShape(scale, [outFeatures]))
        {
            fits = false;
        }
        else if (scale.DType is not (DType.Float32 or DType.Float16 or DType.BFloat16))
        {
            throw new CheckpointException(scale.File, $"the scales '{scaleName}' hold {scale.DType}, expected float16, bfloat16 or float32.");
        }

        if (!fits || IsDoomed)
            return new DenseWeight(Placeholder([outFeatures, inFeatures]));
        var integers = Take(checkpoint.Read(entry.Name, Backend));
        Report(entry);
        var scales = Take(checkpoint.Read(scaleName, Backend));
        Report(scale!);
        return new RowQuantizedWeight(integers, scales, bits);
    }

    /// <summary>Of the dense weights no more than this one is in memory; where the file is mapped, none is.</summary>
    private LinearWeight QuantizeWhileLoading(CheckpointEntry entry, string path, int outFeatures, int inFeatures)
    {
        // In the file's own type: rounding to another one first would cost precision and gain nothing.
        using var dense = Read(entry, [outFeatures, inFeatures], null);
        if (dense is null)
            return new DenseWeight(Placeholder([outFeatures, inFeatures]));
        var quantized = quantizer!.Quantize(path, dense);
        Take(quantized.Weight);
        Take(quantized.Scale);
        return quantized;
    }

    private string WhyInteger(CheckpointEntry entry) => checkpoint.Entries.ContainsKey($"{entry.Name}_scale")
        ? quantizer is null
            ? " It is quantized, but config.json has no 'quantization_bit': set it to 8 or 4."
            : " It is quantized, but config.json does not say that this layer is ('quantization_embeddings')."
        : "";
}
