using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors.Kernels;

/// <summary>A group-quantized matrix [k, columns] stored as [columns, k], as the weight of a linear layer is. Its rows are interleaved, so a column of a block is a row of a panel already: packing widens, no more.</summary>
internal readonly unsafe struct GroupColumns<TSimd, TVec>(GroupMatrix matrix) : IPanelSource
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    public int ScratchFloats(int depth) => 0;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Pack(int k, int depth, int column, int columns, float* target, float* scratch)
    {
        var panelWidth = 2 * TSimd.Count;
        for (var panelColumn = 0; panelColumn < columns; panelColumn += panelWidth)
        {
            PackHalf(k, depth, column + panelColumn, target);
            PackHalf(k, depth, column + panelColumn + TSimd.Count, target + TSimd.Count);
            target += (nint)depth * panelWidth;
        }
    }

    /// <summary>Count rows of the weight; those behind the last block are zero.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void PackHalf(int k, int depth, int row, float* target)
    {
        var (block, lane) = Math.DivRem(row, GroupMatrix.BlockRows);
        var panelWidth = 2 * TSimd.Count;
        if (block >= matrix.Blocks)
        {
            for (var i = 0; i < depth; i++)
                TSimd.Store(target + (i * panelWidth), TSimd.Zero);
            return;
        }

        var offset = GroupColumn<TSimd, TVec>.Offset(matrix.Offset);
        for (var done = 0; done < depth;)
        {
            var (group, column) = Math.DivRem(k + done, matrix.GroupSize);
            var end = Math.Min(matrix.GroupSize, column + depth - done);
            var at = matrix.ScaleIndex(block, group) + lane;
            var scale = GroupColumn<TSimd, TVec>.Widen(matrix.Scales + at);
            var data = matrix.Group(block, group) + (lane * sizeof(int));
            if (matrix.Minimums == null)
            {
                for (; column < end; column++, done++)
                    TSimd.Store(target + (done * panelWidth), TSimd.Multiply(GroupColumn<TSimd, TVec>.Load(data, column, matrix.Bits, offset), scale));
                continue;
            }

            var minimum = GroupColumn<TSimd, TVec>.Widen(matrix.Minimums + at);
            for (; column < end; column++, done++)
                TSimd.Store(target + (done * panelWidth), TSimd.MultiplyAdd(GroupColumn<TSimd, TVec>.Load(data, column, matrix.Bits, offset), scale, minimum));
        }
    }
}
