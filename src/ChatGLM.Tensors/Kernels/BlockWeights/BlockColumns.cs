using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors.Kernels;

/// <summary>A block-quantized matrix [k, columns] stored as [columns, k], as the weight of a linear layer is: packing widens and transposes.</summary>
internal readonly unsafe struct BlockColumns<TSimd, TVec>(BlockMatrix matrix) : IPanelSource
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    public int ScratchFloats(int depth) => TSimd.Count * depth;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Pack(int k, int depth, int column, int columns, float* target, float* scratch)
    {
        // Blocks of k are 384 long and rows are whole groups, so a block begins and ends with a group.
        var panelWidth = 2 * TSimd.Count;
        for (var panelColumn = 0; panelColumn < columns; panelColumn += panelWidth)
        {
            for (var half = 0; half < 2; half++)
            {
                var first = panelColumn + (half * TSimd.Count);
                var rows = Math.Clamp(columns - first, 0, TSimd.Count);
                for (var row = 0; row < rows; row++)
                    BlockWidening<TSimd, TVec>.Widen(matrix, column + first + row, k / BlockMatrix.GroupColumns, depth / BlockMatrix.GroupColumns, scratch + ((nint)row * depth));
                PanelTranspose.Half<TSimd, TVec>(scratch, depth, rows, depth, target + (half * TSimd.Count));
            }

            target += (nint)depth * panelWidth;
        }
    }
}
