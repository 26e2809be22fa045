using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors.Kernels;

/// <summary>
/// x W^T + bias over a row-quantized weight for many rows of x, which arithmetic bounds: blocked like <see cref="Gemm{TSimd, TVec, TPanels}"/>, but in integers of 16 bits, two of which a multiplication takes where it takes one float. A task
/// owns a block of outputs and packs a segment of their weights into its level-2 cache. Sums over a segment are exact, and an output is one chain over the segments: bits depend on nothing but the numbers.
/// </summary>
internal static unsafe class RowGemm<TSimd, TVec, TFormat>
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
    where TFormat : struct, IPairFormat
{
    // A panel of 32 outputs, 256 pairs deep, streams from level 2 (512 of them fill 512 KiB) while 12 rows of x stay in level 1.
    private const int ColumnBlock = 512;
    private const int SmallestColumnBlock = 128;
    private const long SmallestTaskProducts = 1 << 19;

    private static int PanelWidth => 2 * TSimd.Count;

    /// <summary>Computes result [rows, outputs].</summary>
    public static void Run(WorkerPool pool, in RoundedRows x, int outputs, int inputs, in QuantizedOperand weight, float* bias, float* result)
    {
        if (x.Rows == 0 || outputs == 0)
            return;
        var product = new Product(pool, x, outputs, inputs, weight, bias, result);
        pool.Run(product.Tasks, product);
    }

    private readonly struct Product : IParallelBody
    {
        private readonly WorkerPool _pool;
        private readonly RoundedRows _x;
        private readonly int _outputs;
        private readonly nint _rowBytes;
        private readonly QuantizedOperand _weight;
        private readonly float* _bias;
        private readonly float* _result;
        private readonly int _columnBlock;
        private readonly int _columnTasks;
        private readonly int _rowTasks;

        public Product(WorkerPool pool, in RoundedRows x, int outputs, int inputs, in QuantizedOperand weight, float* bias, float* result)
        {
            _pool = pool;
            _x = x;
            _outputs = outputs;
            _rowBytes = (nint)inputs * TFormat.BitsPerElement / 8;
            _weight = weight;
            _bias = bias;
            _result = result;
            var wanted = Math.Max(1, pool.TasksFor((long)x.Rows * outputs * inputs, SmallestTaskProducts));
            var width = Math.Clamp((outputs + wanted - 1) / wanted, SmallestColumnBlock, ColumnBlock);
            _columnBlock = (width + PanelWidth - 1) / PanelWidth * PanelWidth;
            _columnTasks = (outputs + _columnBlock - 1) / _columnBlock;
            _rowTasks = Math.Clamp(wanted / _columnTasks, 1, Math.Max(1, x.Panels / 4));
        }

        public int Tasks => _columnTasks * _rowTasks;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int task)
        {
            var column = task / _rowTasks * _columnBlock;
            var columns = Math.Min(_columnBlock, _outputs - column);
            var rowTask = task % _rowTasks;
            var endPanel = (int)((long)_x.Panels * (rowTask + 1) / _rowTasks);
            var padded = (columns + PanelWidth - 1) / PanelWidth * PanelWidth;

            // Packed weights; scales and bias up to a whole panel; what packing needs.
            using var scratch = _pool.RentScratch(((long)sizeof(int) * padded * (RoundedRows.SegmentPairs + 2)) + RowPacking<TSimd, TVec, TFormat>.ScratchBytes);
            var packed = (float*)scratch.Pointer;
            var scales = packed + ((nint)padded * RoundedRows.SegmentPairs);
            var bias = scales + padded;
            for (var i = 0; i < padded; i++)
            {
                scales[i] = i < columns ? _weight.Scales[column + i] : 0;
                bias[i] = i < columns && _bias != null ? _bias[column + i] : 0;
            }

            var packing = (byte*)(bias + padded);
            for (var segment = 0; segment < _x.Segments; segment++)
            {
                var start = (nint)segment * RoundedRows.SegmentColumns * TFormat.BitsPerElement / 8;
                var bytes = (int)Math.Min(RoundedRows.SegmentColumns * TFormat.BitsPerElement / 8, _rowBytes - start);
                var pairs = RowPacking<TSimd, TVec, TFormat>.Pack(_weight.Data + (column * _rowBytes) + start, _rowBytes, bytes, columns, packed, packing);
                for (var panel = (int)((long)_x.Panels * rowTask / _rowTasks); panel < endPanel; panel++)
                    MultiplyPanel(segment, panel, pairs, column, columns, packed, scales, _bias == null ? null : bias);
            }
        }

        /// <summary>One panel of x times all panels of the block of outputs, over one segment.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        [SkipLocalsInit]
        private void MultiplyPanel(int segment, int panel, int pairs, int column, int columns, float* packed, float* scales, float* bias)
        {
            var edge = stackalloc float[12 * 32];
            var first = panel * _x.TileRows;
            var rows = Math.Min(_x.TileRows, _x.Rows - first);
            var tile = new RowTile<TSimd, TVec>
            {
                Pairs = pairs,
                XStride = _x.TileRows,
                IsFirst = segment == 0,
                IsLast = segment == _x.Segments - 1,
            };
            var panelStride = (nint)RoundedRows.SegmentPairs * PanelWidth;
            for (var i = 0; i < columns; i += PanelWidth, packed += panelStride)
            {
                var isWhole = columns - i >= PanelWidth;
                tile.Right = packed;
                tile.WeightScales = scales + i;
                tile.Bias = bias == null ? null : bias + i;
                tile.ResultStride = isWhole ? _outputs : PanelWidth;
                for (var row = 0; row < rows;)
                {
                    // Twelve rows at once if they are all there, else four.
                    var height = rows - row == 12 ? 12 : 4;
                    tile.Rows = Math.Min(height, rows - row);
                    tile.X = (uint*)_x.Panel(segment, panel) + row;
                    tile.XScales = _x.Scales + ((nint)segment * _x.Rows) + first + row;
                    var result = _result + ((nint)(first + row) * _outputs) + column + i;
                    tile.Result = isWhole ? result : edge;
                    if (!isWhole)
                        Copy(result, _outputs, edge, PanelWidth, tile.Rows, columns - i);
                    if (height == 12)
                        tile.RunTwelve();
                    else
                        tile.RunFour();
                    if (!isWhole)
                        Copy(edge, PanelWidth, result, _outputs, tile.Rows, columns - i);
                    row += height;
                }
            }
        }

        // Panels that stick out are computed beside the result.
        private static void Copy(float* from, nint fromStride, float* to, nint toStride, int rows, int columns)
        {
            for (var row = 0; row < rows; row++)
                new ReadOnlySpan<float>(from + (row * fromStride), columns).CopyTo(new Span<float>(to + (row * toStride), columns));
        }
    }
}
