using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace ChatGLM.Tensors.Kernels;

/// <summary>
/// x W^T + bias over a group-quantized weight, in integers within a group and in float32 across groups: each output is one chain of multiply-adds over the groups in their order, so the
/// bits depend neither on the instruction set nor on the number of threads or rows.
/// <para>One row of x is bound by reading the weight: a block of 16 rows streams by, prefetched by hand, because the hardware's prefetcher stops at the end of a page. Many rows are
/// bound by arithmetic: four rows of x (eight, where there are 32 registers) times two vectors of outputs stay in registers, and a piece of the weight that fits level 1 serves all rows.</para>
/// </summary>
internal static unsafe partial class GroupProduct<TSimd, TInt, TFloat, TFormat>
    where TSimd : struct, IGroupSimd<TInt, TFloat>
    where TInt : struct
    where TFloat : struct
    where TFormat : struct, IGroupFormat
{
    private const int BlockRows = GroupMatrix.BlockRows;
    private const int PrefetchBytes = 4096;
    private const long SmallestTaskBytes = 64 << 10;
    private const long SmallestTaskProducts = 1 << 20;

    // Columns whose weights (2 vectors x 16 KiB at most) stay in level 1 while all rows of x pass.
    private const int DepthBlock = 512;

    // Activations that stay in level 2 while the outputs of a task pass.
    private const int RowBlockBytes = 512 << 10;
    private const int TileRows = 4;

    private static int VectorsPerBlock
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => BlockRows / TSimd.Lanes;
    }

    /// <summary>Computes result [rows, outputs].</summary>
    public static void Run(WorkerPool pool, int rows, in QuantizedInput x, in GroupMatrix weight, float* bias, float* result)
    {
        if (rows == 0 || weight.Outputs == 0)
            return;
        if (rows == 1)
        {
            var streams = Math.Clamp(pool.TasksFor(weight.Blocks * weight.Groups * (long)weight.GroupBytes, SmallestTaskBytes), 1, weight.Blocks);
            pool.Run(streams, new OneRow(x, weight, bias, result, streams));
            return;
        }

        // Two vectors of outputs are a unit of work; where a vector is a whole block, that is two blocks.
        var units = ((weight.Blocks * VectorsPerBlock) + 1) / 2;
        var tasks = Math.Clamp(pool.TasksFor((long)rows * units * 2 * TSimd.Lanes * weight.Inputs, SmallestTaskProducts), 1, units);
        pool.Run(tasks, new ManyRows(pool, rows, x, weight, bias, result, units, tasks));
    }

    /// <summary>The part of an element that the instruction set leaves on it is in <see cref="QuantizedInput.Starts"/>.</summary>
    private readonly struct OneRow(QuantizedInput x, GroupMatrix weight, float* bias, float* result, int tasks) : IParallelBody
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        [SkipLocalsInit]
        public void Run(int task)
        {
            var sums = stackalloc float[BlockRows];
            var end = (int)((long)weight.Blocks * (task + 1) / tasks);
            for (var block = (int)((long)weight.Blocks * task / tasks); block < end; block++)
            {
                new Span<float>(sums, BlockRows).Clear();
                Block(block, sums);
                var first = block * BlockRows;
                var count = Math.Min(BlockRows, weight.Outputs - first);
                for (var i = 0; i < count; i++)
                    result[first + i] = bias == null ? sums[i] : sums[i] + bias[first + i];
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Block(int block, float* sums)
        {
            var w = weight.Group(block, 0);
            var scales = weight.Scales + weight.ScaleIndex(block, 0);
            var minimums = TFormat.HasMinimum ? weight.Minimums + weight.ScaleIndex(block, 0) : null;
            var quads = x.Quads;
            var groupBytes = weight.GroupBytes;
            var vectorBytes = TSimd.Lanes * sizeof(int);
            for (var group = 0; group < x.Groups; group++)
            {
                var scale = TSimd.Broadcast(x.Scales[group]);
                for (var vector = 0; vector < VectorsPerBlock; vector++)
                {
                    var total = Dot(w + (vector * vectorBytes), w + groupBytes, quads, TSimd.Broadcast(x.Starts[group]));
                    var at = vector * TSimd.Lanes;
                    var sum = TSimd.Load(sums + at);
                    if (TFormat.HasMinimum)
                        sum = TSimd.MultiplyAdd(TSimd.LoadScales(minimums + at), TSimd.Broadcast(x.Sums[group]), sum);
                    TSimd.Store(sums + at, TSimd.MultiplyAdd(TSimd.ToFloat(total), TSimd.Multiply(TSimd.LoadScales(scales + at), scale), sum));
                }

                w += groupBytes;
                quads += x.GroupBytes;
                scales += BlockRows;
                minimums += TFormat.HasMinimum ? BlockRows : 0;
            }
        }

        /// <summary>One vector of rows over one group.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static TInt Dot(byte* w, byte* end, byte* quads, TInt total)
        {
            if (TFormat.IsNibbles)
            {
                for (; w < end; w += 256)
                {
                    Prefetch(w);
                    Prefetch(w + 64);
                    Prefetch(w + 128);
                    Prefetch(w + 192);
                    var part = TSimd.Open(total);
                    var octets = TSimd.Load(w);
                    part = TSimd.AddNibbles(part, TSimd.LowNibbles(octets), quads);
                    part = TSimd.AddNibbles(part, TSimd.HighNibbles(octets), quads + 4);
                    octets = TSimd.Load(w + 64);
                    part = TSimd.AddNibbles(part, TSimd.LowNibbles(octets), quads + 8);
                    part = TSimd.AddNibbles(part, TSimd.HighNibbles(octets), quads + 12);
                    octets = TSimd.Load(w + 128);
                    part = TSimd.AddNibbles(part, TSimd.LowNibbles(octets), quads + 16);
                    part = TSimd.AddNibbles(part, TSimd.HighNibbles(octets), quads + 20);
                    octets = TSimd.Load(w + 192);
                    part = TSimd.AddNibbles(part, TSimd.LowNibbles(octets), quads + 24);
                    part = TSimd.AddNibbles(part, TSimd.HighNibbles(octets), quads + 28);
                    total = TSimd.Close(total, part);
                    quads += 32;
                }

                return total;
            }

            var quadBytes = TSimd.HasWideQuads ? 8 : 4;
            for (; w < end; w += 256)
            {
                Prefetch(w);
                Prefetch(w + 64);
                Prefetch(w + 128);
                Prefetch(w + 192);
                TSimd.Split(TSimd.Load(w), out var first, out var second);
                total = TSimd.AddBytes(total, first, second, quads);
                TSimd.Split(TSimd.Load(w + 64), out first, out second);
                total = TSimd.AddBytes(total, first, second, quads + quadBytes);
                TSimd.Split(TSimd.Load(w + 128), out first, out second);
                total = TSimd.AddBytes(total, first, second, quads + (2 * quadBytes));
                TSimd.Split(TSimd.Load(w + 192), out first, out second);
                total = TSimd.AddBytes(total, first, second, quads + (3 * quadBytes));
                quads += 4 * quadBytes;
            }

            return total;
        }
    }

    private readonly partial struct ManyRows(WorkerPool pool, int rows, QuantizedInput x, GroupMatrix weight, float* bias, float* result, int units, int tasks) : IParallelBody
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int task)
        {
            var rowBlock = (int)Math.Clamp(RowBlockBytes / x.RowBytes / TileRows * TileRows, 16, 512);
            var groupsPerBlock = DepthBlock / weight.GroupSize;
            var width = 2 * TSimd.Lanes;
            using var scratch = pool.RentScratch(sizeof(float) * (long)(rowBlock * width));
            var sums = (float*)scratch.Pointer;
            var end = (int)((long)units * (task + 1) / tasks);
            for (var row = 0; row < rows; row += rowBlock)
            {
                var count = Math.Min(rowBlock, rows - row);
                for (var unit = (int)((long)units * task / tasks); unit < end; unit++)
                {
                    new Span<float>(sums, (count + TileRows - 1) / TileRows * TileRows * width).Clear();
                    for (var group = 0; group < x.Groups; group += groupsPerBlock)
                    {
                        var endGroup = Math.Min(x.Groups, group + groupsPerBlock);
                        var tile = 0;
                        for (; TSimd.Lanes == 16 && tile <= count - (2 * TileRows); tile += 2 * TileRows)
                            TileOfEight(unit, group, endGroup, row + tile, sums + (tile * width));
                        for (; tile < count; tile += TileRows)
                            Tile(unit, group, endGroup, row + tile, sums + (tile * width), prefetches: tile == 0);
                    }

                    Store(row, count, unit * width, sums);
                }
            }
        }

        private void Store(int row, int count, int output, float* sums)
        {
            var width = 2 * TSimd.Lanes;
            var outputs = Math.Min(width, weight.Outputs - output);
            for (var i = 0; i < count; i++, sums += width)
            {
                var to = result + ((nint)(row + i) * weight.Outputs) + output;
                if (outputs == width)
                {
                    var (a, b) = (TSimd.Load(sums), TSimd.Load(sums + TSimd.Lanes));
                    TSimd.Store(to, bias == null ? a : TSimd.Add(a, TSimd.Load(bias + output)));
                    TSimd.Store(to + TSimd.Lanes, bias == null ? b : TSimd.Add(b, TSimd.Load(bias + output + TSimd.Lanes)));
                    continue;
                }

                for (var column = 0; column < outputs; column++)
                    to[column] = bias == null ? sums[column] : sums[column] + bias[output + column];
            }
        }

        /// <summary>Four rows of x times two vectors of rows of the weight, over some groups. Rows and vectors that are not there repeat the last one.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        [SkipLocalsInit]
        private void Tile(int unit, int group, int endGroup, int row, float* sums, bool prefetches)
        {
            var last = (weight.Blocks * VectorsPerBlock) - 1;
            var (block0, lane0) = Math.DivRem(2 * unit, VectorsPerBlock);
            var (block1, lane1) = Math.DivRem(Math.Min((2 * unit) + 1, last), VectorsPerBlock);
            var w0 = weight.Group(block0, group) + (lane0 * TSimd.Lanes * sizeof(int));
            var w1 = weight.Group(block1, group) + (lane1 * TSimd.Lanes * sizeof(int));
            var scale0 = weight.ScaleIndex(block0, group) + (lane0 * TSimd.Lanes);
            var scale1 = weight.ScaleIndex(block1, group) + (lane1 * TSimd.Lanes);
            var rest = rows - row;
            var x0 = x.Quads + (row * x.RowBytes) + (group * x.GroupBytes);
            var x1 = rest > 1 ? x0 + x.RowBytes : x0;
            var x2 = rest > 2 ? x1 + x.RowBytes : x1;
            var x3 = rest > 3 ? x2 + x.RowBytes : x2;
            var at0 = ((nint)row * x.Groups) + group;
            var at1 = rest > 1 ? at0 + x.Groups : at0;
            var at2 = rest > 2 ? at1 + x.Groups : at1;
            var at3 = rest > 3 ? at2 + x.Groups : at2;
            var groupBytes = weight.GroupBytes;
            for (; group < endGroup; group++)
            {
                TInt t00 = TSimd.Broadcast(x.Starts[at0]), t01 = t00;
                TInt t10 = TSimd.Broadcast(x.Starts[at1]), t11 = t10;
                TInt t20 = TSimd.Broadcast(x.Starts[at2]), t21 = t20;
                TInt t30 = TSimd.Broadcast(x.Starts[at3]), t31 = t30;
                var end = w0 + groupBytes;
                if (TFormat.IsNibbles)
                {
                    while (w0 < end)
                    {
                        TInt p00 = TSimd.Open(t00), p01 = TSimd.Open(t01), p10 = TSimd.Open(t10), p11 = TSimd.Open(t11);
                        TInt p20 = TSimd.Open(t20), p21 = TSimd.Open(t21), p30 = TSimd.Open(t30), p31 = TSimd.Open(t31);
                        for (var stop = w0 + 256; w0 < stop; w0 += 64, w1 += 64)
                        {
                            if (prefetches)
                            {
                                Prefetch(w0);
                                Prefetch(w1);
                            }

                            TInt octets0 = TSimd.Load(w0), octets1 = TSimd.Load(w1);
                            TInt a = TSimd.LowNibbles(octets0), b = TSimd.LowNibbles(octets1);
                            TSimd.AddNibblesInFours(ref p00, ref p01, ref p10, ref p11, a, b, x0, x1);
                            TSimd.AddNibblesInFours(ref p20, ref p21, ref p30, ref p31, a, b, x2, x3);
                            a = TSimd.HighNibbles(octets0);
                            b = TSimd.HighNibbles(octets1);
                            TSimd.AddNibblesInFours(ref p00, ref p01, ref p10, ref p11, a, b, x0 + 4, x1 + 4);
                            TSimd.AddNibblesInFours(ref p20, ref p21, ref p30, ref p31, a, b, x2 + 4, x3 + 4);
                            x0 += 8;
                            x1 += 8;
                            x2 += 8;
                            x3 += 8;
                        }

                        t00 = TSimd.Close(t00, p00);
                        t01 = TSimd.Close(t01, p01);
                        t10 = TSimd.Close(t10, p10);
                        t11 = TSimd.Close(t11, p11);
                        t20 = TSimd.Close(t20, p20);
                        t21 = TSimd.Close(t21, p21);
                        t30 = TSimd.Close(t30, p30);
                        t31 = TSimd.Close(t31, p31);
                    }
                }
                else
                {
                    var quadBytes = TSimd.HasWideQuads ? 8 : 4;
                    for (; w0 < end; w0 += 64, w1 += 64)
                    {
                        if (prefetches)
                        {
                            Prefetch(w0);
                            Prefetch(w1);
                        }

                        TSimd.Split(TSimd.Load(w0), out var a, out var b);
                        TSimd.Split(TSimd.Load(w1), out var c, out var d);
                        TSimd.AddBytesInPairs(ref t00, ref t01, a, b, c, d, x0);
                        TSimd.AddBytesInPairs(ref t10, ref t11, a, b, c, d, x1);
                        TSimd.AddBytesInPairs(ref t20, ref t21, a, b, c, d, x2);
                        TSimd.AddBytesInPairs(ref t30, ref t31, a, b, c, d, x3);
                        x0 += quadBytes;
                        x1 += quadBytes;
                        x2 += quadBytes;
                        x3 += quadBytes;
                    }
                }

                TFloat s0 = TSimd.LoadScales(weight.Scales + scale0), s1 = TSimd.LoadScales(weight.Scales + scale1);
                if (TFormat.HasMinimum)
                {
                    TFloat m0 = TSimd.LoadScales(weight.Minimums + scale0), m1 = TSimd.LoadScales(weight.Minimums + scale1);
                    AddMinimum(sums, 0, m0, m1, x.Sums[at0]);
                    AddMinimum(sums, 1, m0, m1, x.Sums[at1]);
                    AddMinimum(sums, 2, m0, m1, x.Sums[at2]);
                    AddMinimum(sums, 3, m0, m1, x.Sums[at3]);
                }

                Add(sums, 0, t00, t01, s0, s1, x.Scales[at0]);
                Add(sums, 1, t10, t11, s0, s1, x.Scales[at1]);
                Add(sums, 2, t20, t21, s0, s1, x.Scales[at2]);
                Add(sums, 3, t30, t31, s0, s1, x.Scales[at3]);
                scale0 += BlockRows;
                scale1 += BlockRows;
                at0++;
                at1++;
                at2++;
                at3++;
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static void Add(float* sums, int row, TInt total0, TInt total1, TFloat scale0, TFloat scale1, float scale)
        {
            var to = sums + (row * 2 * TSimd.Lanes);
            var x = TSimd.Broadcast(scale);
            TSimd.Store(to, TSimd.MultiplyAdd(TSimd.ToFloat(total0), TSimd.Multiply(scale0, x), TSimd.Load(to)));
            to += TSimd.Lanes;
            TSimd.Store(to, TSimd.MultiplyAdd(TSimd.ToFloat(total1), TSimd.Multiply(scale1, x), TSimd.Load(to)));
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static void AddMinimum(float* sums, int row, TFloat minimum0, TFloat minimum1, float sum)
        {
            var to = sums + (row * 2 * TSimd.Lanes);
            var x = TSimd.Broadcast(sum);
            TSimd.Store(to, TSimd.MultiplyAdd(minimum0, x, TSimd.Load(to)));
            to += TSimd.Lanes;
            TSimd.Store(to, TSimd.MultiplyAdd(minimum1, x, TSimd.Load(to)));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Prefetch(byte* at)
    {
        if (Sse.IsSupported)
            Sse.Prefetch0(at + PrefetchBytes);
    }
}
