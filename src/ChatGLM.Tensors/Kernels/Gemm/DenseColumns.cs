using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors.Kernels;

/// <summary>A dense matrix [k, columns] stored as [columns, k], row-major, as the weight of a linear layer is: packing transposes.</summary>
internal readonly unsafe struct DenseColumns<TSimd, TVec, TFormat>(byte* data, int depthInAll) : IPanelSource
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
    where TFormat : struct, IElementFormat
{
    public int ScratchFloats(int depth) => typeof(TFormat) == typeof(Float32Format) ? 0 : TSimd.Count * depth;

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
                var source = data + ((((nint)(column + first) * depthInAll) + k) * TFormat.SizeInBytes);
                PackHalf(source, rows, depth, target + (half * TSimd.Count), scratch);
            }

            target += (nint)depth * panelWidth;
        }
    }

    /// <summary>Transposes up to Count stored rows into one half of a panel.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void PackHalf(byte* source, int rows, int depth, float* target, float* scratch)
    {
        float* from;
        nint stride;
        if (typeof(TFormat) == typeof(Float32Format))
        {
            from = (float*)source;
            stride = depthInAll;
        }
        else
        {
            from = scratch;
            stride = depth;
            for (var row = 0; row < rows; row++)
                Widen(source + ((nint)row * depthInAll * TFormat.SizeInBytes), depth, scratch + (row * stride));
        }

        PanelTranspose.Half<TSimd, TVec>(from, stride, rows, depth, target);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Widen(byte* source, int count, float* target)
    {
        var i = 0;
        for (; i <= count - TSimd.Count; i += TSimd.Count)
            TSimd.Store(target + i, TFormat.Load<TSimd, TVec>(source + (i * TFormat.SizeInBytes)));
        for (; i < count; i++)
            target[i] = TFormat.Load<SimdScalar, float>(source + (i * TFormat.SizeInBytes));
    }
}
