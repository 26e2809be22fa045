using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>
/// Rows of a matrix of any floating-point type plus scaled products of thin matrices, summed in float32 and rounded once. Four rows are done at a time, so that what is read of the right matrix serves
/// four; a row's result is the same whichever rows are done with it.
/// </summary>
internal readonly unsafe struct AddLowRankBody(DType dtype, void* matrix, void* sum, int columns, AddLowRankBody.Term* terms, int termCount, int* isBroken) : ILaneBody
{
    private const int RowsAtOnce = 4;

    /// <summary>From here on a float32 becomes an infinity of the type.</summary>
    private readonly float _limit = dtype switch
    {
        DType.Float16 => 65520f,
        DType.BFloat16 => 3.39617752923046e38f,
        _ => float.PositiveInfinity,
    };

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run<T>(long from, long to)
        where T : unmanaged, ILanes<T>
    {
        var block = stackalloc float[RowsAtOnce * FloatStore.BlockLength];
        // x - x is 0 where x is finite, and NaN where it is not.
        var broken = T.Broadcast(0);
        var largest = T.Broadcast(0);
        for (var row = from; row < to;)
        {
            var rows = to - row >= RowsAtOnce ? RowsAtOnce : 1;
            for (var start = 0; start < columns; start += FloatStore.BlockLength)
            {
                var width = Math.Min(FloatStore.BlockLength, columns - start);
                for (var r = 0; r < rows; r++)
                    FloatStore.Load<T>(dtype, matrix, ((row + r) * columns) + start, block + (r * FloatStore.BlockLength), width);
                for (var t = 0; t < termCount; t++)
                {
                    if (rows == RowsAtOnce)
                        AddFour<T>(terms[t], row, start, width, block);
                    else
                        AddOne<T>(terms[t], row, start, width, block);
                }

                for (var r = 0; r < rows; r++)
                {
                    var values = block + (r * FloatStore.BlockLength);
                    for (var i = 0; i < width; i += 16)
                    {
                        var x = width - i >= 16 ? T.Load(values + i) : LaneTail.Load<T>(values + i, width - i);
                        broken += x - x;
                        largest = T.Max(T.Abs(x), largest);
                    }

                    FloatStore.Store<T>(dtype, values, sum, ((row + r) * columns) + start, width);
                }
            }

            row += rows;
        }

        if (!(broken.Sum() == 0 && largest.MaxAcross() < _limit))
            *isBroken = 1;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void AddFour<T>(in Term term, long row, int start, int width, float* block)
        where T : unmanaged, ILanes<T>
    {
        float* left0 = term.Left + (row * term.Rank), left1 = left0 + term.Rank, left2 = left1 + term.Rank, left3 = left2 + term.Rank;
        float* block1 = block + FloatStore.BlockLength, block2 = block1 + FloatStore.BlockLength, block3 = block2 + FloatStore.BlockLength;
        var scale = T.Broadcast(term.Scale);
        var i = 0;
        for (; i <= width - 16; i += 16)
        {
            T sum0 = T.Broadcast(0), sum1 = T.Broadcast(0), sum2 = T.Broadcast(0), sum3 = T.Broadcast(0);
            var right = term.Right + start + i;
            for (var k = 0; k < term.Rank; k++, right += columns)
            {
                var value = T.Load(right);
                sum0 = T.MultiplyAdd(T.Broadcast(left0[k]), value, sum0);
                sum1 = T.MultiplyAdd(T.Broadcast(left1[k]), value, sum1);
                sum2 = T.MultiplyAdd(T.Broadcast(left2[k]), value, sum2);
                sum3 = T.MultiplyAdd(T.Broadcast(left3[k]), value, sum3);
            }

            T.MultiplyAdd(scale, sum0, T.Load(block + i)).Store(block + i);
            T.MultiplyAdd(scale, sum1, T.Load(block1 + i)).Store(block1 + i);
            T.MultiplyAdd(scale, sum2, T.Load(block2 + i)).Store(block2 + i);
            T.MultiplyAdd(scale, sum3, T.Load(block3 + i)).Store(block3 + i);
        }

        if (i == width)
            return;
        for (var r = 0; r < RowsAtOnce; r++)
            AddTail<T>(term, row + r, start, i, width - i, block + (r * FloatStore.BlockLength));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void AddOne<T>(in Term term, long row, int start, int width, float* block)
        where T : unmanaged, ILanes<T>
    {
        var left = term.Left + (row * term.Rank);
        var scale = T.Broadcast(term.Scale);
        var i = 0;
        for (; i <= width - 16; i += 16)
        {
            var sum = T.Broadcast(0);
            var right = term.Right + start + i;
            for (var k = 0; k < term.Rank; k++, right += columns)
                sum = T.MultiplyAdd(T.Broadcast(left[k]), T.Load(right), sum);
            T.MultiplyAdd(scale, sum, T.Load(block + i)).Store(block + i);
        }

        if (i < width)
            AddTail<T>(term, row, start, i, width - i, block);
    }

    /// <summary>The last numbers of a row, fewer than 16.</summary>
    private void AddTail<T>(in Term term, long row, int start, int at, int count, float* block)
        where T : unmanaged, ILanes<T>
    {
        var left = term.Left + (row * term.Rank);
        var sum = T.Broadcast(0);
        var right = term.Right + start + at;
        for (var k = 0; k < term.Rank; k++, right += columns)
            sum = T.MultiplyAdd(T.Broadcast(left[k]), LaneTail.Load<T>(right, count), sum);
        LaneTail.Store(T.MultiplyAdd(T.Broadcast(term.Scale), sum, LaneTail.Load<T>(block + at, count)), block + at, count);
    }

    /// <summary>One product, as the kernel reads it.</summary>
    internal readonly struct Term(float* left, float* right, int rank, float scale)
    {
        public readonly float* Left = left;
        public readonly float* Right = right;
        public readonly int Rank = rank;
        public readonly float Scale = scale;
    }
}
