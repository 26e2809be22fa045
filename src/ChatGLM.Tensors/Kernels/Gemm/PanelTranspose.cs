using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors.Kernels;

/// <summary>Packs stored rows as columns.</summary>
internal static unsafe class PanelTranspose
{
    /// <summary>Transposes up to Count rows of <paramref name="depth"/> numbers into one half of a panel; rows that are missing become columns of zeros.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Half<TSimd, TVec>(float* from, nint stride, int rows, int depth, float* target)
        where TSimd : struct, ISimd<TVec>
        where TVec : struct
    {
        var panelWidth = 2 * TSimd.Count;
        var k = 0;
        for (; k <= depth - TSimd.Count; k += TSimd.Count)
            TSimd.Transpose(from + k, stride, rows, target + (k * panelWidth), panelWidth);
        for (; k < depth; k++)
        {
            for (var row = 0; row < TSimd.Count; row++)
                target[(k * panelWidth) + row] = row < rows ? from[(row * stride) + k] : 0;
        }
    }
}
