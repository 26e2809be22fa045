using ChatGLM.Formats;
using ChatGLM.Tensors;

namespace ChatGLM.Snapshots;

/// <summary>A matrix of blocks to plain numbers.</summary>
internal sealed class WidenRecipe(CheckpointEntry entry, BlockFormat format, Tensor result) : TensorRecipe(entry, [result])
{
    public override long Rows => Results[0].Shape[0];

    public override IReadOnlyList<Tensor> Make(HostStorage piece, long firstRow, int rows)
    {
        var (backend, dtype, columns) = (Results[0].Backend, Results[0].DType, Results[0].Shape[1]);
        using var stored = View(backend, piece, [rows, BlockQuantizedWeight.RowBytes(columns, format)], DType.UInt8);
        var wide = backend.Dequantize(new BlockQuantizedWeight(stored, columns, format));
        if (dtype == DType.Float32)
            return [wide];
        using (wide)
        {
            var cast = backend.Cast(wide, dtype);
            if (dtype == DType.Float16)
                CastRecipe.RequireFinite(cast, Entry, firstRow * columns);
            return [cast];
        }
    }
}
