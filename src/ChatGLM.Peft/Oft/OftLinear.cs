using ChatGLM.Peft.Lycoris;
using ChatGLM.Peft.Tuners;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.Oft;

/// <summary>A linear layer with OFT adapters: y = (W x)^T R + bias, where R is made of rotations along its diagonal.</summary>
internal sealed class OftLinear(Linear baseLayer, TorchGenerator generator) : LycorisLinear<OftAdapter>(baseLayer, generator)
{
    protected override Tensor Forward(Tensor x, OftAdapter[] active)
    {
        var y = Functional.Linear(x, Weight);
        foreach (var adapter in active)
        {
            if (TakesPart(adapter))
                y = Rotate(y, adapter);
        }

        return Bias is { } bias ? Functional.Add(y, Functional.Cast(bias, DType.Float32)) : y;
    }

    /// <summary>The rows of a block belong together.</summary>
    protected override int RowsPerChunk(OftAdapter[] merging)
    {
        var side = merging[0].Side;
        return Array.TrueForAll(merging, adapter => adapter.Side == side) ? side * (int)Math.Ceiling((double)MergedWeight.RowsPerChunk / side) : OutFeatures;
    }

    /// <summary>The weight of (W x)^T R is R^T W, block by block.</summary>
    protected override Tensor MergeRows(OftAdapter adapter, Tensor rows, int start)
    {
        var (backend, side, count) = (rows.Backend, adapter.Side, rows.Shape[0]);
        var first = start / side;
        var rotations = adapter.Rotations(first, (int)Math.Ceiling((double)count / side));
        for (var at = 0; at < count; at += side)
        {
            var height = Math.Min(side, count - at);
            var rotation = backend.Slice(rotations, 0, adapter.IsShared ? 0 : at / side, 1).Reshape(side, side);
            if (height < side)
                rotation = backend.Slice(backend.Slice(rotation, 0, 0, height), 1, 0, height);
            backend.WriteSlice(rows, backend.MatMul(rotation, backend.Slice(rows, 0, at, height), transposeA: true), 0, at);
        }

        return rows;
    }

    private Tensor Rotate(Tensor y, OftAdapter adapter)
    {
        var (blocks, side, shape) = (adapter.Blocks, adapter.Side, y.Shape);
        var (rows, width) = (checked((int)shape.RowCount), blocks * side);
        var rotations = adapter.Rotations(0, blocks);
        // Zeros in place of the columns that the last block lacks: what is cut off behind it then is what the missing part of the rotation would have given.
        if (width > OutFeatures)
            y = Functional.Concat([Functional.Reshape(y, [rows, OutFeatures]), Tensor.Zeros([rows, width - OutFeatures], backend: y.Backend)], 1);
        if (adapter.IsShared)
        {
            y = Functional.MatMul(Functional.Reshape(y, [rows * blocks, side]), Functional.Reshape(rotations, [side, side]));
        }
        else
        {
            var byBlock = Functional.Permute(Functional.Reshape(y, [rows, blocks, side]), [1, 0, 2]);
            y = Functional.Permute(Functional.MatMul(byBlock, rotations), [1, 0, 2]);
        }

        y = Functional.Reshape(y, [rows, width]);
        if (width > OutFeatures)
            y = Functional.Slice(y, 1, 0, OutFeatures);
        return Functional.Reshape(y, shape);
    }
}
