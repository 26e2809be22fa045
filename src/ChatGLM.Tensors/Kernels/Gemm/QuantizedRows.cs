using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors.Kernels;

/// <summary>A quantized matrix [k, columns], row-major, for the product with its rows: a block of elements is a row of a panel.</summary>
internal readonly unsafe struct QuantizedRows<TSimd, TVec, TFormat>(byte* data, float* scales, int columnsInAll) : IPanelSource
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
    where TFormat : struct, IPairFormat
{
    public int ScratchFloats(int depth) => 0;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Pack(int k, int depth, int column, int columns, float* target, float* scratch)
    {
        var panelWidth = 2 * TSimd.Count;
        var fullPanels = columns / panelWidth;
        var rest = columns - (fullPanels * panelWidth);
        var panelStride = (nint)depth * panelWidth;
        for (var row = 0; row < depth; row++)
        {
            // Blocks of columns begin at a multiple of the panel's width, so at a whole byte.
            var source = data + ((((nint)(k + row) * columnsInAll) + column) * TFormat.BitsPerElement / 8);
            var scale = TSimd.Broadcast(scales[k + row]);
            var to = target + (row * panelWidth);
            for (var panel = 0; panel < fullPanels; panel++)
            {
                QuantizedRow<TSimd, TVec, TFormat>.WidenBlock(source, scale, to);
                source += panelWidth * TFormat.BitsPerElement / 8;
                to += panelStride;
            }

            if (rest != 0)
                QuantizedRow<TSimd, TVec, TFormat>.WidenTail(source, rest, scale, to);
        }
    }
}
