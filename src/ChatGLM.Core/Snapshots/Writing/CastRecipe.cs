using System.Globalization;
using System.Runtime.InteropServices;
using ChatGLM.Formats;
using ChatGLM.Tensors;

namespace ChatGLM.Snapshots;

/// <summary>A tensor as it is, or in another floating-point type: its elements are the rows.</summary>
internal sealed class CastRecipe(CheckpointEntry entry, Tensor result) : TensorRecipe(entry, [result])
{
    public override long Rows => Results[0].ElementCount;

    public override IReadOnlyList<Tensor> Make(HostStorage piece, long firstRow, int rows)
    {
        var (backend, dtype) = (Results[0].Backend, Results[0].DType);
        var stored = View(backend, piece, [rows], Entry.DType);
        if (dtype == Entry.DType)
            return [stored];
        using (stored)
        {
            var cast = backend.Cast(stored, dtype);
            if (dtype == DType.Float16)
                RequireFinite(cast, Entry, firstRow);
            return [cast];
        }
    }

    /// <summary>A weight that became infinite would turn every answer into noise, and nothing would say why.</summary>
    public static void RequireFinite(Tensor halves, CheckpointEntry entry, long firstElement)
    {
        var bits = MemoryMarshal.Cast<Half, ushort>(halves.AsSpan<Half>());
        var at = bits.IndexOfAnyInRange<ushort>(0x7C00, 0x7FFF);
        if (at < 0)
            at = bits.IndexOfAnyInRange<ushort>(0xFC00, 0xFFFF);
        if (at < 0)
            return;
        halves.Dispose();
        throw new CheckpointException(entry.File, string.Create(CultureInfo.InvariantCulture,
            $"element {firstElement + at} of '{entry.Name}' is NaN, infinite or larger than float16 can hold (65504). Convert to bfloat16 or float32 instead."));
    }
}
