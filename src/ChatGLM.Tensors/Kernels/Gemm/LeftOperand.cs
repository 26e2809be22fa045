using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors.Kernels;

/// <summary>The left operand [rows, k] of a matrix product: float32, one of its strides 1.</summary>
/// <param name="Data">The first element.</param>
/// <param name="RowStride">Floats from one row to the next.</param>
/// <param name="DepthStride">Floats from one k to the next.</param>
internal readonly unsafe record struct LeftOperand(nint Data, nint RowStride, nint DepthStride)
{
    /// <summary>Floats of slack that <see cref="PackPanel{TSimd, TVec}"/> may write after its last panel.</summary>
    public const int Slack = 16;

    /// <summary>
    /// Packs a panel of up to TileRows rows for one block of k: for every k, the TileRows values one after the other, missing rows and denormal numbers zero. Writes up to <see cref="Slack"/> floats
    /// beyond its end, so panels are packed in ascending order.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void PackPanel<TSimd, TVec>(int row, int rows, int k, int depth, float* target)
        where TSimd : struct, ISimd<TVec>
        where TVec : struct
    {
        var source = (float*)Data + (row * RowStride) + (k * DepthStride);
        var done = 0;
        if (DepthStride == 1)
        {
            // Where a tile has fewer rows than a vector has lanes, vectors overlap: what one writes beyond TileRows is overwritten by the next.
            for (; done <= depth - TSimd.Count; done += TSimd.Count)
            {
                for (var group = 0; group < TSimd.TileRows; group += TSimd.Count)
                {
                    var from = source + done + (group * RowStride);
                    TSimd.Transpose(from, RowStride, Math.Clamp(rows - group, 0, TSimd.Count), target + (done * TSimd.TileRows) + group, TSimd.TileRows);
                }
            }
        }

        for (; done < depth; done++)
        {
            var to = target + (done * TSimd.TileRows);
            for (var i = 0; i < rows; i++)
                to[i] = source[(i * RowStride) + (done * DepthStride)];
            for (var i = rows; i < TSimd.TileRows; i++)
                to[i] = 0;
        }

        FlushDenormals<TSimd, TVec>(target, depth * TSimd.TileRows);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void FlushDenormals<TSimd, TVec>(float* values, int count)
        where TSimd : struct, ISimd<TVec>
        where TVec : struct
    {
        var i = 0;
        for (; i <= count - TSimd.Count; i += TSimd.Count)
            TSimd.Store(values + i, TSimd.FlushDenormals(TSimd.Load(values + i)));
        for (; i < count; i++)
            values[i] = SimdScalar.FlushDenormals(values[i]);
    }
}
