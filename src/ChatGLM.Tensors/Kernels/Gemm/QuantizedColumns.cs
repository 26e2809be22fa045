using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors.Kernels;

/// <summary>A quantized matrix [k, columns] stored as [columns, k], row-major, as the weight of a linear layer is: packing widens and transposes.</summary>
internal readonly unsafe struct QuantizedColumns<TSimd, TVec, TFormat>(byte* data, float* scales, int depthInAll) : IPanelSource
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
    where TFormat : struct, IPairFormat
{
    public int ScratchFloats(int depth) => TSimd.Count * depth;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Pack(int k, int depth, int column, int columns, float* target, float* scratch)
    {
        var panelWidth = 2 * TSimd.Count;
        for (var panelColumn = 0; panelColumn < columns; panelColumn += panelWidth)
        {
            for (var half = 0; half < 2; half++)
            {
                var first = panelColumn + (half * TSimd.Count);
                var rows = Math.Clamp(columns - first, 0, TSimd.Count);
                for (var row = 0; row < rows; row++)
                    Widen(column + first + row, k, depth, scratch + ((nint)row * depth));
                PanelTranspose.Half<TSimd, TVec>(scratch, depth, rows, depth, target + (half * TSimd.Count));
            }

            target += (nint)depth * panelWidth;
        }
    }

    // Blocks of k begin at an even one, so at a whole byte.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Widen(int row, int k, int depth, float* target) =>
        QuantizedRow<TSimd, TVec, TFormat>.Widen(data + ((((nint)row * depthInAll) + k) * TFormat.BitsPerElement / 8), depth, scales[row], target);
}
