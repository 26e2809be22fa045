using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>
/// Rows of a matrix of any floating-point type plus scaled products of thin matrices, summed in float32 and rounded once. Four rows are done at a time, so that what is read of the right matrix serves
/// four; a row's result is the same whichever rows are done with it. The right matrices come in panels of sixteen columns (<see cref="Pack"/>): the rows of a matrix as wide as a power of two
/// would all fall into the same few lines of the first-level cache.
/// </summary>
internal readonly unsafe struct AddLowRankBody(DType dtype, void* matrix, void* sum, int columns, AddLowRankBody.Term* terms, int termCount, int* isBroken) : ILaneBody
{
    private const int RowsAtOnce = 4;
    private const int PanelWidth = 16;

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
            if (rows == RowsAtOnce && termCount == 1 && dtype is DType.BFloat16 or DType.Float16 && columns % PanelWidth == 0)
            {
                AddFourAtOnce(terms[0], row, ref broken, ref largest);
                row += rows;
                continue;
            }

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
                    Look(block + (r * FloatStore.BlockLength), width, ref broken, ref largest);
                    FloatStore.Store<T>(dtype, block + (r * FloatStore.BlockLength), sum, ((row + r) * columns) + start, width);
                }
            }

            row += rows;
        }

        if (!(broken.Sum() == 0 && largest.MaxAcross() < _limit))
            *isBroken = 1;
    }

    /// <summary>The usual case, one product and a weight of 16 bits, without the detour over a block: the same sums in the same order.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void AddFourAtOnce<T>(in Term term, long row, ref T broken, ref T largest)
        where T : unmanaged, ILanes<T>
    {
        var rank = term.Rank;
        float* left0 = term.Left + (row * rank), left1 = left0 + rank, left2 = left1 + rank, left3 = left2 + rank;
        var from = (ushort*)matrix + (row * columns);
        var into = (ushort*)sum + (row * columns);
        var scale = T.Broadcast(term.Scale);
        var right = term.Panels;
        T broken0 = broken, broken1 = T.Broadcast(0), largest0 = largest, largest1 = T.Broadcast(0);
        for (var i = 0; i < columns; i += PanelWidth)
        {
            T sum0 = T.Broadcast(0), sum1 = T.Broadcast(0), sum2 = T.Broadcast(0), sum3 = T.Broadcast(0);
            for (var k = 0; k < rank; k++, right += PanelWidth)
            {
                var value = T.Load(right);
                sum0 = T.MultiplyAdd(T.Broadcast(left0[k]), value, sum0);
                sum1 = T.MultiplyAdd(T.Broadcast(left1[k]), value, sum1);
                sum2 = T.MultiplyAdd(T.Broadcast(left2[k]), value, sum2);
                sum3 = T.MultiplyAdd(T.Broadcast(left3[k]), value, sum3);
            }

            ushort* from1 = from + columns + i, from2 = from1 + columns, from3 = from2 + columns;
            ushort* into1 = into + columns + i, into2 = into1 + columns, into3 = into2 + columns;
            if (dtype == DType.BFloat16)
            {
                sum0 = T.MultiplyAdd(scale, sum0, T.LoadBFloat16(from + i));
                sum1 = T.MultiplyAdd(scale, sum1, T.LoadBFloat16(from1));
                sum2 = T.MultiplyAdd(scale, sum2, T.LoadBFloat16(from2));
                sum3 = T.MultiplyAdd(scale, sum3, T.LoadBFloat16(from3));
                sum0.StoreBFloat16(into + i);
                sum1.StoreBFloat16(into1);
                sum2.StoreBFloat16(into2);
                sum3.StoreBFloat16(into3);
            }
            else
            {
                sum0 = T.MultiplyAdd(scale, sum0, T.LoadHalf(from + i));
                sum1 = T.MultiplyAdd(scale, sum1, T.LoadHalf(from1));
                sum2 = T.MultiplyAdd(scale, sum2, T.LoadHalf(from2));
                sum3 = T.MultiplyAdd(scale, sum3, T.LoadHalf(from3));
                sum0.StoreHalf(into + i);
                sum1.StoreHalf(into1);
                sum2.StoreHalf(into2);
                sum3.StoreHalf(into3);
            }

            broken0 += (sum0 - sum0) + (sum1 - sum1);
            broken1 += (sum2 - sum2) + (sum3 - sum3);
            largest0 = T.Max(T.Max(T.Abs(sum0), T.Abs(sum1)), largest0);
            largest1 = T.Max(T.Max(T.Abs(sum2), T.Abs(sum3)), largest1);
        }

        broken = broken0 + broken1;
        largest = T.Max(largest0, largest1);
    }

    /// <summary>Takes in what says whether all numbers are finite: in two chains, because each step waits for the one before it in its own.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Look<T>(float* values, int width, ref T broken, ref T largest)
        where T : unmanaged, ILanes<T>
    {
        T broken0 = broken, broken1 = T.Broadcast(0), largest0 = largest, largest1 = T.Broadcast(0);
        var i = 0;
        for (; i <= width - 32; i += 32)
        {
            T x0 = T.Load(values + i), x1 = T.Load(values + i + 16);
            broken0 += x0 - x0;
            broken1 += x1 - x1;
            largest0 = T.Max(T.Abs(x0), largest0);
            largest1 = T.Max(T.Abs(x1), largest1);
        }

        for (; i < width; i += 16)
        {
            var x = width - i >= 16 ? T.Load(values + i) : LaneTail.Load<T>(values + i, width - i);
            broken0 += x - x;
            largest0 = T.Max(T.Abs(x), largest0);
        }

        broken = broken0 + broken1;
        largest = T.Max(largest0, largest1);
    }

    /// <summary>Numbers in the panels of a right matrix [rank, columns].</summary>
    public static long PackedLength(int rank, int columns) => (columns + PanelWidth - 1L) / PanelWidth * PanelWidth * rank;

    /// <summary>Puts a right matrix [rank, columns] into panels of sixteen columns, [columns / 16, rank, 16]; the last one is filled up with zeros.</summary>
    public static void Pack(float* right, int rank, int columns, float* panels)
    {
        for (var start = 0; start < columns; start += PanelWidth)
        {
            var width = Math.Min(PanelWidth, columns - start);
            for (var k = 0; k < rank; k++, panels += PanelWidth)
            {
                new ReadOnlySpan<float>(right + ((long)k * columns) + start, width).CopyTo(new Span<float>(panels, width));
                new Span<float>(panels + width, PanelWidth - width).Clear();
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddFour<T>(in Term term, long row, int start, int width, float* block)
        where T : unmanaged, ILanes<T>
    {
        var rank = term.Rank;
        float* left0 = term.Left + (row * rank), left1 = left0 + rank, left2 = left1 + rank, left3 = left2 + rank;
        float* block1 = block + FloatStore.BlockLength, block2 = block1 + FloatStore.BlockLength, block3 = block2 + FloatStore.BlockLength;
        var scale = T.Broadcast(term.Scale);
        var right = term.Panels + ((long)start * rank);
        for (var i = 0; i < width; i += PanelWidth)
        {
            T sum0 = T.Broadcast(0), sum1 = T.Broadcast(0), sum2 = T.Broadcast(0), sum3 = T.Broadcast(0);
            for (var k = 0; k < rank; k++, right += PanelWidth)
            {
                var value = T.Load(right);
                sum0 = T.MultiplyAdd(T.Broadcast(left0[k]), value, sum0);
                sum1 = T.MultiplyAdd(T.Broadcast(left1[k]), value, sum1);
                sum2 = T.MultiplyAdd(T.Broadcast(left2[k]), value, sum2);
                sum3 = T.MultiplyAdd(T.Broadcast(left3[k]), value, sum3);
            }

            // Blocks are whole panels long: beyond the width lies what nobody reads.
            T.MultiplyAdd(scale, sum0, T.Load(block + i)).Store(block + i);
            T.MultiplyAdd(scale, sum1, T.Load(block1 + i)).Store(block1 + i);
            T.MultiplyAdd(scale, sum2, T.Load(block2 + i)).Store(block2 + i);
            T.MultiplyAdd(scale, sum3, T.Load(block3 + i)).Store(block3 + i);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddOne<T>(in Term term, long row, int start, int width, float* block)
        where T : unmanaged, ILanes<T>
    {
        var left = term.Left + (row * term.Rank);
        var scale = T.Broadcast(term.Scale);
        var right = term.Panels + ((long)start * term.Rank);
        for (var i = 0; i < width; i += PanelWidth)
        {
            var sum = T.Broadcast(0);
            for (var k = 0; k < term.Rank; k++, right += PanelWidth)
                sum = T.MultiplyAdd(T.Broadcast(left[k]), T.Load(right), sum);
            T.MultiplyAdd(scale, sum, T.Load(block + i)).Store(block + i);
        }
    }

    /// <summary>One product, as the kernel reads it: the left matrix as it is, the right one in panels.</summary>
    internal readonly struct Term(float* left, float* panels, int rank, float scale)
    {
        public readonly float* Left = left;
        public readonly float* Panels = panels;
        public readonly int Rank = rank;
        public readonly float Scale = scale;
    }
}
