using System.Globalization;
using ChatGLM.Formats;
using ChatGLM.Quantization;
using ChatGLM.Tensors;

namespace ChatGLM.Snapshots;

/// <summary>A dense matrix [out, in], or one of blocks, to the integers and scales of a quantized weight.</summary>
internal sealed class QuantizeRecipe(CheckpointEntry entry, string path, IWeightQuantizer quantizer, LinearWeight result) : TensorRecipe(entry, [.. result.Tensors.Select(t => t.Tensor)])
{
    public override long Rows => result.OutFeatures;

    public override int RowsTogether => quantizer.RowsTogether;

    public override IReadOnlyList<Tensor> Make(HostStorage piece, long firstRow, int rows)
    {
        using var stored = Entry.Blocks is { } format
            ? View(result.Backend, piece, [rows, BlockQuantizedWeight.RowBytes(result.InFeatures, format)], DType.UInt8)
            : View(result.Backend, piece, [rows, result.InFeatures], Entry.DType);
        using var wide = Entry.Blocks is { } blocks ? result.Backend.Dequantize(new BlockQuantizedWeight(stored, result.InFeatures, blocks))
            : Entry.DType == DType.Float64 ? result.Backend.Cast(stored, DType.Float32)
            : null;
        try
        {
            return [.. quantizer.Quantize(path, wide ?? stored).Tensors.Select(t => t.Tensor)];
        }
        catch (QuantizationException e) when (firstRow > 0)
        {
            throw new QuantizationException($"{path}, counted from row {firstRow.ToString(CultureInfo.InvariantCulture)} on", e.Message, e);
        }
    }
}
