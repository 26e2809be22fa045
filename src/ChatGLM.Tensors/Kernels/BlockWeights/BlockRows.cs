using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors.Kernels;

/// <summary>A block-quantized matrix [k, columns], row-major, for the product with its rows: a widened row is cut into rows of panels.</summary>
internal readonly unsafe struct BlockRows<TSimd, TVec>(BlockMatrix matrix) : IPanelSource
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    private const int GroupsAtATime = 16;

    public int ScratchFloats(int depth) => GroupsAtATime * BlockMatrix.GroupColumns;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Pack(int k, int depth, int column, int columns, float* target, float* scratch)
    {
        var panelWidth = 2 * TSimd.Count;
        var panelStride = (nint)depth * panelWidth;
        for (var row = 0; row < depth; row++)
        {
            var to = target + ((nint)row * panelWidth);
            for (var done = 0; done < columns;)
            {
                // A block of columns can begin and end inside a group.
                var (group, skipped) = Math.DivRem(column + done, BlockMatrix.GroupColumns);
                var wanted = Math.Min((skipped + columns - done + BlockMatrix.GroupColumns - 1) / BlockMatrix.GroupColumns, GroupsAtATime);
                BlockWidening<TSimd, TVec>.Widen(matrix, k + row, group, wanted, scratch);
                var from = new ReadOnlySpan<float>(scratch, wanted * BlockMatrix.GroupColumns)[skipped..];
                if (from.Length > columns - done)
                    from = from[..(columns - done)];
                while (!from.IsEmpty)
                {
                    var (panel, inPanel) = Math.DivRem(done, panelWidth);
                    var run = Math.Min(panelWidth - inPanel, from.Length);
                    from[..run].CopyTo(new Span<float>(to + (panel * panelStride) + inPanel, run));
                    from = from[run..];
                    done += run;
                }
            }

            if (columns % panelWidth is var rest and not 0)
                new Span<float>(to + (columns / panelWidth * panelStride) + rest, panelWidth - rest).Clear();
        }
    }
}
