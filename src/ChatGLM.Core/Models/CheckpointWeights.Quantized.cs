using ChatGLM.Formats;
using ChatGLM.Quantization;
using ChatGLM.Tensors;

namespace ChatGLM.Models;

internal partial class CheckpointWeights
{
    private const string WeightSuffix = ".weight";

    public LinearWeight GetLinear(string name, int outFeatures, int inFeatures, Initializer initialize)
    {
        var path = PathOf(name);
        if (checkpoint.Entries.TryGetValue(name, out var stored) && stored.Blocks is { } blocks)
            return ReadBlocks(stored, path, blocks, outFeatures, inFeatures);
        if (quantizer is null || !quantizer.Covers(path))
            return new DenseWeight(Get(name, [outFeatures, inFeatures], initialize));
        options.CancellationToken.ThrowIfCancellationRequested();
        if (!checkpoint.Entries.TryGetValue(name, out var entry))
            return new DenseWeight(Get(name, [outFeatures, inFeatures], initialize));
        quantizer.RequireQuantizable(path, inFeatures);
        return (quantizer, entry.DType) switch
        {
            (RowQuantizer rows, DType.Int8) => ReadQuantized(entry, rows.Bits, outFeatures, inFeatures),
            (GroupQuantizer groups, DType.UInt8) => ReadGroups(entry, groups.FormatOf(path), outFeatures, inFeatures),
            _ => QuantizeWhileLoading(entry, path, outFeatures, inFeatures),
        };
    }

    public LinearWeight GetTiedLinear(string name, LinearWeight table)
    {
        if (quantizer is not GroupQuantizer groups || table is not DenseWeight dense || !groups.Covers(PathOf(name)) || IsDoomed)
            return table;
        if (Contains(name))
            return GetLinear(name, table.OutFeatures, table.InFeatures, (_, _) => { });
        return Take(Quantize(groups, PathOf(name), dense.Tensor));
    }

    private static string PathOf(string name) => name.EndsWith(WeightSuffix, StringComparison.Ordinal) ? name[..^WeightSuffix.Length] : name;

    private LinearWeight Take(LinearWeight weight)
    {
        foreach (var (_, part) in weight.Tensors)
            Take(part);
        return weight;
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
        return new RowQuantizedWeight(ReadPart(entry.Name), ReadPart(scaleName), bits);
    }

    /// <summary>The form that this library writes: a <see cref="GroupQuantizedWeight"/>'s tensors as they are in memory, so that they are used where the file is mapped.</summary>
    private LinearWeight ReadGroups(CheckpointEntry entry, GroupQuantization format, int outFeatures, int inFeatures)
    {
        var fits = HasShape(entry, GroupQuantizedWeight.WeightShape(outFeatures, inFeatures, format));
        var scales = GroupQuantizedWeight.ScaleShape(outFeatures, inFeatures, format);
        fits &= HasNumbers($"{entry.Name}_scale", scales);
        fits &= !format.HasMinimum || HasNumbers($"{entry.Name}_minimum", scales);
        if (!fits || IsDoomed)
            return new DenseWeight(Placeholder([outFeatures, inFeatures]));
        return new GroupQuantizedWeight(
            ReadPart(entry.Name), ReadPart($"{entry.Name}_scale"), format.HasMinimum ? ReadPart($"{entry.Name}_minimum") : null, outFeatures, inFeatures, format);
    }

    /// <summary>A GGUF file's blocks where they lie, unless another format or type was asked for, or the backend has no kernels for them.</summary>
    private LinearWeight ReadBlocks(CheckpointEntry entry, string path, BlockFormat format, int outFeatures, int inFeatures)
    {
        options.CancellationToken.ThrowIfCancellationRequested();
        if (!HasShape(entry, [outFeatures, inFeatures]) || IsDoomed)
            return new DenseWeight(Placeholder([outFeatures, inFeatures]));
        if (quantizer?.Covers(path) == true)
        {
            quantizer.RequireQuantizable(path, inFeatures);
            using var dense = Load(entry, DType.Float32);
            Report(entry);
            return Take(Quantize(quantizer, path, dense));
        }

        var weight = WidenedBlocks is { } dtype
            ? (LinearWeight)new DenseWeight(Load(entry, dtype))
            : new BlockQuantizedWeight(Load(entry, DType.UInt8), inFeatures, format);
        if (weight is DenseWeight { Tensor: var widened })
            widened.RequiresGrad = true;
        Report(entry);
        return Take(weight);
    }

    /// <summary>The type that blocks are widened to; null where they are computed with as they are.</summary>
    private protected virtual DType? WidenedBlocks => options.Dtype ?? (Backend is HostBackend ? null : DType.Float16);

    /// <summary>Blocks as numbers. They are widened in main memory, whatever the backend.</summary>
    private Tensor Widen(CheckpointEntry entry, BlockFormat format, DType dtype)
    {
        var main = Backend as HostBackend ?? CpuBackend.Shared;
        using var data = checkpoint.Read(entry.Name, main);
        var wide = main.Dequantize(new BlockQuantizedWeight(data, checked((int)entry.Shape[1]), format));
        if (dtype != DType.Float32)
        {
            using var exact = wide;
            wide = main.Cast(exact, dtype);
        }

        if (!ReferenceEquals(main, Backend))
            wide.MoveTo(Backend);
        return wide;
    }

    private bool HasNumbers(string name, in Shape shape)
    {
        if (!checkpoint.Entries.TryGetValue(name, out var entry))
        {
            Missing.Add(name);
            return false;
        }

        return !HasShape(entry, shape) ? false : entry.DType == DType.BFloat16
            ? true
            : throw new CheckpointException(entry.File, $"'{name}' holds {entry.DType}, expected bfloat16.");
    }

    private Tensor ReadPart(string name)
    {
        var entry = checkpoint.Entries[name];
        var part = Take(Load(entry, entry.DType));
        Report(entry);
        return part;
    }

    /// <summary>Of the dense weights no more than this one is in memory: pages of a mapped file count too, until they are released.</summary>
    private LinearWeight QuantizeWhileLoading(CheckpointEntry entry, string path, int outFeatures, int inFeatures)
    {
        // In the file's own type: rounding to another one first would cost precision and gain nothing.
        using var dense = Read(entry, [outFeatures, inFeatures], null);
        if (dense is null)
            return new DenseWeight(Placeholder([outFeatures, inFeatures]));
        return Take(Quantize(quantizer!, path, dense));
    }

    private string WhyInteger(CheckpointEntry entry) => entry.Blocks is not null ? $" It is quantized ({entry.Blocks}), which only matrices are." : checkpoint.Entries.ContainsKey($"{entry.Name}_scale")
        ? quantizer is null
            ? " It is quantized, but config.json has neither 'quantization_bit' (8 or 4, for integers of the published form) nor 'quantization_config'."
            : " It is quantized, but config.json does not say that this layer is ('quantization_embeddings')."
        : "";
}
