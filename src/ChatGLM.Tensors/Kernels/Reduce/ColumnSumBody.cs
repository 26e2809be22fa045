using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>
/// y[c] (+)= the sum of x[r, c] over the rows. An item is a block of 16 columns, so each sum is one thread's, whatever the number of threads. Within 64 rows sums run in
/// order; the sums of 64 are added to a running total, which keeps the rounding error of tall matrices small.
/// </summary>
internal readonly unsafe struct ColumnSumBody(float* x, float* y, long rows, long width, bool accumulate) : ILaneBody
{
    private const long RowsPerSum = 64;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run<T>(long from, long to)
        where T : unmanaged, ILanes<T>
    {
        for (var block = from; block < to; block++)
        {
            var column = block * 16;
            var count = (int)Math.Min(16, width - column);
            var total = accumulate ? Load<T>(y + column, count) : T.Broadcast(0);
            for (long row = 0; row < rows; row += RowsPerSum)
            {
                var sum = T.Broadcast(0);
                var last = Math.Min(rows, row + RowsPerSum);
                for (var r = row; r < last; r++)
                    sum += Load<T>(x + (r * width) + column, count);
                total += sum;
            }

            if (count == 16)
                total.Store(y + column);
            else
                LaneTail.Store(total, y + column, count);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static T Load<T>(float* source, int count)
        where T : unmanaged, ILanes<T> => count == 16 ? T.Load(source) : LaneTail.Load<T>(source, count);
}
