using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors.Kernels;

/// <summary>A group-quantized matrix [k, columns], for the product with its rows: packing widens Count rows at a time and turns them.</summary>
internal readonly unsafe struct GroupRows<TSimd, TVec>(GroupMatrix matrix) : IPanelSource
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    public int ScratchFloats(int depth) => 2 * TSimd.Count * TSimd.Count;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Pack(int k, int depth, int column, int columns, float* target, float* scratch)
    {
        var panelWidth = 2 * TSimd.Count;
        for (var panelColumn = 0; panelColumn < columns; panelColumn += panelWidth)
        {
            // Blocks of k begin at a multiple of 16, so Count rows never lie in two blocks.
            for (var row = 0; row < depth; row += TSimd.Count)
                PackTile(k + row, Math.Min(TSimd.Count, depth - row), column + panelColumn, Math.Min(panelWidth, columns - panelColumn), target + ((nint)row * panelWidth), scratch);
            target += (nint)depth * panelWidth;
        }
    }

    /// <summary>Up to Count rows of one panel.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void PackTile(int row, int rows, int column, int columns, float* target, float* scratch)
    {
        var panelWidth = 2 * TSimd.Count;
        WidenColumns(row, column, columns, scratch);
        if (rows == TSimd.Count)
        {
            TSimd.Transpose(scratch, TSimd.Count, TSimd.Count, target, panelWidth);
            TSimd.Transpose(scratch + (TSimd.Count * TSimd.Count), TSimd.Count, TSimd.Count, target + TSimd.Count, panelWidth);
            return;
        }

        for (var i = 0; i < rows; i++)
        {
            for (var j = 0; j < panelWidth; j++)
                target[(i * panelWidth) + j] = scratch[(j * TSimd.Count) + i];
        }
    }

    /// <summary>A panel's width of columns one after the other, each of Count rows; those that are missing are zero.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void WidenColumns(int row, int column, int columns, float* target)
    {
        var (block, lane) = Math.DivRem(row, GroupMatrix.BlockRows);
        var offset = GroupColumn<TSimd, TVec>.Offset(matrix.Offset);
        for (var i = 0; i < columns;)
        {
            var (group, inGroup) = Math.DivRem(column + i, matrix.GroupSize);
            var end = Math.Min(matrix.GroupSize, inGroup + columns - i);
            var at = matrix.ScaleIndex(block, group) + lane;
            var scale = GroupColumn<TSimd, TVec>.Widen(matrix.Scales + at);
            var data = matrix.Group(block, group) + (lane * sizeof(int));
            for (; inGroup < end; inGroup++, i++)
            {
                var number = GroupColumn<TSimd, TVec>.Load(data, inGroup, matrix.Bits, offset);
                var value = matrix.Minimums == null ? TSimd.Multiply(number, scale) : TSimd.MultiplyAdd(number, scale, GroupColumn<TSimd, TVec>.Widen(matrix.Minimums + at));
                TSimd.Store(target + (i * TSimd.Count), value);
            }
        }

        for (var i = columns; i < 2 * TSimd.Count; i++)
            TSimd.Store(target + (i * TSimd.Count), TSimd.Zero);
    }
}
