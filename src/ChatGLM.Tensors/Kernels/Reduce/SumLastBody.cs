using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>Sums each row. Long rows are summed in pieces whose sums are added in double, so that the error does not grow with the length.</summary>
internal readonly unsafe struct SumLastBody(float* x, float* y, long width) : ILaneBody
{
    private const long Piece = 1024;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run<T>(long from, long to)
        where T : unmanaged, ILanes<T>
    {
        for (var row = from; row < to; row++)
        {
            var start = x + (row * width);
            double sum = 0;
            for (long i = 0; i < width; i += Piece)
                sum += RowSums.Sum<T>(start + i, Math.Min(Piece, width - i));
            y[row] = (float)sum;
        }
    }
}
