using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors.Kernels;

/// <summary>A dense matrix [k, columns], row-major: packing is widening and copying.</summary>
internal readonly unsafe struct DenseRows<TSimd, TVec, TFormat>(byte* data, int columnsInAll) : IPanelSource
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
    where TFormat : struct, IElementFormat
{
    public int ScratchFloats(int depth) => 0;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Pack(int k, int depth, int column, int columns, float* target, float* scratch)
    {
        var panelWidth = 2 * TSimd.Count;
        var fullPanels = columns / panelWidth;
        var panelStride = (nint)depth * panelWidth;
        for (var row = 0; row < depth; row++)
        {
            var source = data + ((((nint)(k + row) * columnsInAll) + column) * TFormat.SizeInBytes);
            var to = target + (row * panelWidth);
            for (var panel = 0; panel < fullPanels; panel++)
            {
                TSimd.Store(to, Load(source));
                TSimd.Store(to + TSimd.Count, Load(source + (TSimd.Count * TFormat.SizeInBytes)));
                source += panelWidth * TFormat.SizeInBytes;
                to += panelStride;
            }

            var rest = columns - (fullPanels * panelWidth);
            for (var i = 0; i < rest; i++)
                to[i] = TFormat.Load<SimdScalar, float>(source + (i * TFormat.SizeInBytes));
            for (var i = rest; rest != 0 && i < panelWidth; i++)
                to[i] = 0;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVec Load(byte* source)
    {
        // A float32 right operand may be activations, which underflow; weights do not.
        var values = TFormat.Load<TSimd, TVec>(source);
        return typeof(TFormat) == typeof(Float32Format) ? TSimd.FlushDenormals(values) : values;
    }
}
