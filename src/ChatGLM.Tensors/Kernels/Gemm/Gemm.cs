using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors.Kernels;

/// <summary>
/// result [rows, columns] = left [rows, k] * right [k, columns] + addend, cache-blocked and packed (Goto and van de Geijn 2008). The left operand is packed once, by all threads; a task then owns
/// a block of columns, packs its own part of the right operand block by block into its level-2 cache, and runs the left panels over it. Blocks of k are
/// of one size and are added in order, so the bits do not depend on the number of threads.
/// </summary>
internal static unsafe class Gemm<TSimd, TVec, TPanels>
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
    where TPanels : struct, IPanelSource
{
    // A right panel of 384 x 32 floats streams from level 2 while a left panel of 12 x 384 stays in level 1; 384 x 512 floats fill 768 KiB of level 2.
    private const int DepthBlock = 384;
    private const int ColumnBlock = 512;
    private const int SmallestColumnBlock = 128;
    private const long SmallestTaskFlops = 1 << 20;

    // Packed left rows are kept below 64 MiB.
    private const long LeftBlockFloats = 16L << 20;

    private static int PanelWidth => 2 * TSimd.Count;

    /// <summary>Computes the product.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="rows">Rows of the left operand and the result.</param>
    /// <param name="columns">Columns of the right operand and the result.</param>
    /// <param name="depth">The length that is summed over.</param>
    /// <param name="left">The left operand.</param>
    /// <param name="right">The right operand.</param>
    /// <param name="result">Row-major, overwritten.</param>
    /// <param name="addend">The result itself to add to it, a bias (with stride 0), or null.</param>
    /// <param name="addendStride">Floats from one row of the addend to the next.</param>
    public static void Run(WorkerPool pool, long rows, int columns, int depth, in LeftOperand left, in TPanels right, float* result, float* addend, nint addendStride)
    {
        if (rows == 0 || columns == 0)
            return;
        if (depth == 0)
        {
            StoreAddend(rows, columns, result, addend, addendStride);
            return;
        }

        var rowsPerBlock = (int)Math.Min(rows, Math.Max(1, LeftBlockFloats / depth / TSimd.TileRows) * TSimd.TileRows);
        using var scratch = pool.RentScratch(sizeof(float) * (((long)RoundUp(rowsPerBlock, TSimd.TileRows) * depth) + LeftOperand.Slack));
        for (long row = 0; row < rows; row += rowsPerBlock)
        {
            var blockRows = (int)Math.Min(rowsPerBlock, rows - row);
            var leftBlock = left with { Data = left.Data + (nint)(row * left.RowStride * sizeof(float)) };
            var packed = (float*)scratch.Pointer;
            PackLeft(pool, leftBlock, blockRows, depth, packed);
            var product = new Product(pool, blockRows, columns, depth, packed, right, result + (row * columns), addend == null ? null : addend + (row * addendStride), addendStride);
            pool.Run(product.Tasks, product);
        }
    }

    private static void StoreAddend(long rows, int columns, float* result, float* addend, nint addendStride)
    {
        for (long row = 0; row < rows; row++)
        {
            for (var column = 0; column < columns; column++)
                result[(row * columns) + column] = addend == null ? 0 : addend[(row * addendStride) + column];
        }
    }

    private static int RoundUp(int value, int multiple) => (value + multiple - 1) / multiple * multiple;

    private static void PackLeft(WorkerPool pool, in LeftOperand left, int rows, int depth, float* target)
    {
        var panels = (rows + TSimd.TileRows - 1) / TSimd.TileRows;
        var tasks = Math.Clamp(pool.TasksFor((long)rows * depth, 1 << 16), 1, panels);
        pool.Run(tasks, new LeftPacking(left, rows, depth, target, tasks));
    }

    /// <summary>Packs the left operand: the blocks of k one after the other, in each the panels of rows.</summary>
    private readonly struct LeftPacking(LeftOperand left, int rows, int depth, float* target, int tasks) : IParallelBody
    {
        [SkipLocalsInit]
        public void Run(int task)
        {
            var panels = (rows + TSimd.TileRows - 1) / TSimd.TileRows;
            var first = (int)((long)panels * task / tasks);
            var end = (int)((long)panels * (task + 1) / tasks);
            if (first == end)
                return;
            var last = stackalloc float[(DepthBlock * TSimd.TileRows) + LeftOperand.Slack];
            for (var k = 0; k < depth; k += DepthBlock)
            {
                var blockDepth = Math.Min(DepthBlock, depth - k);
                for (var panel = first; panel < end; panel++)
                {
                    var row = panel * TSimd.TileRows;
                    var count = Math.Min(TSimd.TileRows, rows - row);
                    var to = target + ((nint)k * panels * TSimd.TileRows) + ((nint)panel * TSimd.TileRows * blockDepth);
                    if (panel < end - 1)
                    {
                        left.PackPanel<TSimd, TVec>(row, count, k, blockDepth, to);
                        continue;
                    }

                    // What the last panel writes beyond its end would fall into the next task's first.
                    left.PackPanel<TSimd, TVec>(row, count, k, blockDepth, last);
                    new ReadOnlySpan<float>(last, blockDepth * TSimd.TileRows).CopyTo(new Span<float>(to, blockDepth * TSimd.TileRows));
                }
            }
        }
    }

    /// <summary>The product of packed left rows and the right operand, one task per block of rows and columns.</summary>
    private readonly struct Product : IParallelBody
    {
        private readonly WorkerPool _pool;
        private readonly int _rows;
        private readonly int _columns;
        private readonly int _depth;
        private readonly float* _left;
        private readonly TPanels _right;
        private readonly float* _result;
        private readonly float* _addend;
        private readonly nint _addendStride;
        private readonly int _panels;
        private readonly int _columnBlock;
        private readonly int _columnTasks;
        private readonly int _rowTasks;

        public Product(WorkerPool pool, int rows, int columns, int depth, float* left, in TPanels right, float* result, float* addend, nint addendStride)
        {
            _pool = pool;
            _rows = rows;
            _columns = columns;
            _depth = depth;
            _left = left;
            _right = right;
            _result = result;
            _addend = addend;
            _addendStride = addendStride;
            _panels = (rows + TSimd.TileRows - 1) / TSimd.TileRows;

            // Blocks of columns are as wide as level 2 allows, narrower to give every thread a few; rows are cut (and the right operand packed more than once) when that is not enough.
            var wanted = pool.TasksFor(2L * rows * columns * depth, SmallestTaskFlops);
            var width = Math.Clamp((columns + wanted - 1) / wanted, SmallestColumnBlock, ColumnBlock);
            _columnBlock = RoundUp(width, PanelWidth);
            _columnTasks = (columns + _columnBlock - 1) / _columnBlock;
            _rowTasks = Math.Clamp(wanted / _columnTasks, 1, Math.Max(1, _panels / 4));
        }

        public int Tasks => _columnTasks * _rowTasks;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int task)
        {
            var column = task / _rowTasks * _columnBlock;
            var columns = Math.Min(_columnBlock, _columns - column);
            var rowTask = task % _rowTasks;
            var firstPanel = (int)((long)_panels * rowTask / _rowTasks);
            var endPanel = (int)((long)_panels * (rowTask + 1) / _rowTasks);
            var deepest = Math.Min(DepthBlock, _depth);
            var packedFloats = RoundUp(columns, PanelWidth) * deepest;
            using var scratch = _pool.RentScratch(sizeof(float) * (long)(packedFloats + _right.ScratchFloats(deepest)));
            var packed = (float*)scratch.Pointer;
            for (var k = 0; k < _depth; k += DepthBlock)
            {
                var blockDepth = Math.Min(DepthBlock, _depth - k);
                _right.Pack(k, blockDepth, column, columns, packed, packed + packedFloats);
                var left = _left + ((nint)k * _panels * TSimd.TileRows);
                var addend = k == 0 ? _addend : _result;
                var addendStride = k == 0 ? _addendStride : _columns;
                for (var panel = firstPanel; panel < endPanel; panel++)
                {
                    var row = panel * TSimd.TileRows;
                    var rows = Math.Min(TSimd.TileRows, _rows - row);
                    var result = _result + ((nint)row * _columns) + column;
                    var add = addend == null ? null : addend + (row * addendStride) + column;
                    MultiplyPanel(left + ((nint)row * blockDepth), rows, packed, blockDepth, columns, result, add, addendStride);
                }
            }
        }

        /// <summary>One left panel times all right panels of the block.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        [SkipLocalsInit]
        private void MultiplyPanel(float* left, int rows, float* right, int depth, int columns, float* result, float* addend, nint addendStride)
        {
            var tileRows = TSimd.TileRows == 12 ? (rows > 8 ? 12 : rows > 4 ? 8 : 4) : rows > 4 ? TSimd.TileRows : 4;
            var panelStride = (nint)depth * PanelWidth;
            var column = 0;
            if (rows == tileRows)
            {
                for (; column <= columns - PanelWidth; column += PanelWidth)
                {
                    MicroKernel.Run<TSimd, TVec>(tileRows, left, TSimd.TileRows, right, depth, result + column, _columns, addend == null ? null : addend + column, addendStride);
                    right += panelStride;
                }
            }

            // Tiles that stick out are computed whole, beside the result, and what belongs to it is copied.
            var tile = stackalloc float[12 * 32];
            for (; column < columns; column += PanelWidth)
            {
                MicroKernel.Run<TSimd, TVec>(tileRows, left, TSimd.TileRows, right, depth, tile, PanelWidth, null, 0);
                var width = Math.Min(PanelWidth, columns - column);
                for (var row = 0; row < rows; row++)
                {
                    for (var i = 0; i < width; i++)
                    {
                        var value = tile[(row * PanelWidth) + i];
                        result[((nint)row * _columns) + column + i] = addend == null ? value : addend[(row * addendStride) + column + i] + value;
                    }
                }

                right += panelStride;
            }
        }
    }
}
