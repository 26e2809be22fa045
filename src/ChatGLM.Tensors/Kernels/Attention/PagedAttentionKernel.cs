using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>
/// The arithmetic of attention over pages, for blocks of rows of one sequence. All query heads that share a key and value head pass over a page while it is near the processor. A row's scores are one
/// running sum over the head's elements, and its values one over the keys, in parts of 256 keys that are joined in order; none of it depends on the rows beside it, on where a prompt was cut, or on the
/// number of threads. So a token attends with the same bits alone, in a batch, in a prompt of a thousand tokens, and one by one.
/// </summary>
internal readonly unsafe struct PagedAttentionKernel(float* query, float* y, PagedTable.Entry* sequences, nint* pages, KeyValuePageLayout layout, int heads, int layer, float scale)
{
    /// <summary>The keys of a part: whole pages.</summary>
    public const int KeysPerPart = 256;

    /// <summary>Rows of scores that are computed at a time: 32 rows of 256 are 32 KiB.</summary>
    private const int ScoreRows = 32;

    private const int Positions = KeyValuePageLayout.Positions;

    public int KeyValueHeads => layout.KeyValueHeads;

    /// <summary>Query heads that share a key and value head.</summary>
    private int Group => heads / layout.KeyValueHeads;

    /// <summary>Rows of scores of a full block.</summary>
    public int MostRows => TileRowsOf(Group) * Group;

    /// <summary>The floats that a part leaves per row of scores: the largest score, the sum, and headDim weighted values.</summary>
    public int PartialLength => layout.HeadDim + 2;

    /// <summary>Floats of scratch memory: scores, and a widened page of a head.</summary>
    public long ScratchLength => ((long)MostRows * KeysPerPart) + ((long)layout.HeadDim * Positions);

    public int RowsOf(in PagedTable.Tile tile) => tile.Count * Group;

    /// <summary>Parts that hold a key which some row of the block sees.</summary>
    public int PartsOf(in PagedTable.Tile tile) => (sequences[tile.Sequence].VisibleTo(tile.First + tile.Count - 1) + KeysPerPart - 1) / KeysPerPart;

    public static int PartsOf(int keys) => (keys + KeysPerPart - 1) / KeysPerPart;

    /// <summary>Tokens of a block, where so many query heads share a key and value head.</summary>
    public static int TileRowsOf(int group) => Math.Max(1, ScoreRows / group);

    /// <summary>One part of the keys for all rows of a block.</summary>
    /// <param name="tile">The block.</param>
    /// <param name="head">The key and value head.</param>
    /// <param name="part">The part.</param>
    /// <param name="scratch">Scratch memory.</param>
    /// <param name="partial">What is left of the first row.</param>
    /// <param name="stride">Floats from there to the next row.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Part<T>(in PagedTable.Tile tile, int head, int part, float* scratch, float* partial, long stride)
        where T : unmanaged, ILanes<T>
    {
        var sequence = sequences + tile.Sequence;
        var (dim, group, first) = (layout.HeadDim, Group, part * KeysPerPart);
        var count = Math.Min(KeysPerPart, sequence->VisibleTo(tile.First + tile.Count - 1) - first);
        var padded = (count + 15) & -16;
        float* scores = scratch, widened = scratch + ((long)MostRows * KeysPerPart);
        var firstPage = pages + sequence->FirstPage + (first / Positions);
        var pageCount = KeyValuePageLayout.PagesOf(count);
        for (var page = 0; page < pageCount; page++)
        {
            var place = (byte*)firstPage[page] + (layer * layout.LayerBytes);
            Scores<T>(tile, head, Head<T>(place, head, widened), scores + (page * Positions));
            if (layout.Format == KeyValueFormat.Int8)
                Multiply<T>(scores + (page * Positions), tile.Count * group, Scales(place, head), Positions);
        }

        for (var row = 0; row < tile.Count * group; row++)
        {
            var line = scores + ((long)row * KeysPerPart);
            var visible = Math.Clamp(sequence->VisibleTo(tile.First + (row / group)) - first, 0, count);
            for (var j = 0; j < visible; j += 16)
                (T.Load(line + j) * T.Broadcast(scale)).Store(line + j);
            new Span<float>(line + visible, padded - visible).Fill(float.NegativeInfinity);
            if (sequence->FirstKey > first)
                new Span<float>(line, Math.Min(sequence->FirstKey - first, visible)).Fill(float.NegativeInfinity);
            var (max, sum) = SoftmaxRow.Exponentiate<T>(line, padded);
            partial[row * stride] = max;
            partial[(row * stride) + 1] = sum;
        }

        for (var page = 0; page < pageCount; page++)
        {
            var place = (byte*)firstPage[page] + (layer * layout.LayerBytes);
            var keys = Math.Min(Positions, count - (page * Positions));
            if (layout.Format == KeyValueFormat.Int8)
                Multiply<T>(scores + (page * Positions), tile.Count * group, Scales(place, head) + (layout.KeyValueHeads * Positions), keys);
            var values = Head<T>(place + layout.ElementBytesPerLayer, head, widened);
            BlockProduct.Multiply<T>(scores + (page * Positions), KeysPerPart, 1, values, dim, partial + 2, stride, tile.Count * group, dim, keys, accumulate: page > 0);
        }
    }

    /// <summary>Joins the parts of all rows of a block into the result.</summary>
    /// <param name="tile">The block.</param>
    /// <param name="head">The key and value head.</param>
    /// <param name="partials">What the parts left.</param>
    /// <param name="parts">The parts that count.</param>
    /// <param name="room">The parts that a row has room for; 0 for as many.</param>
    public void Join<T>(in PagedTable.Tile tile, int head, float* partials, int parts, int room = 0)
        where T : unmanaged, ILanes<T>
    {
        var (dim, group) = (layout.HeadDim, Group);
        var stride = (long)(room == 0 ? parts : room) * PartialLength;
        for (var row = 0; row < tile.Count * group; row++)
        {
            var (token, h) = Math.DivRem(row, group);
            var target = y + (((((long)sequences[tile.Sequence].FirstRow + tile.First + token) * heads) + (head * group) + h) * dim);
            CombineAttentionBody.Join<T>(partials + (row * stride), parts, PartialLength, target, dim);
        }
    }

    /// <summary>The products of the block's queries with the keys of one page.</summary>
    private void Scores<T>(in PagedTable.Tile tile, int head, float* keys, float* scores)
        where T : unmanaged, ILanes<T>
    {
        var (dim, group) = (layout.HeadDim, Group);
        var queries = query + (((((long)sequences[tile.Sequence].FirstRow + tile.First) * heads) + (head * group)) * dim);
        if (group == 1)
        {
            BlockProduct.Multiply<T>(queries, (long)heads * dim, 1, keys, Positions, scores, KeysPerPart, tile.Count, Positions, dim, accumulate: false);
            return;
        }

        for (var token = 0; token < tile.Count; token++)
            BlockProduct.Multiply<T>(queries + ((long)token * heads * dim), dim, 1, keys, Positions, scores + ((long)token * group * KeysPerPart), KeysPerPart, group, Positions, dim, accumulate: false);
    }

    /// <summary>The keys or values of one head of a page as float32: in place, or widened.</summary>
    private float* Head<T>(byte* place, int head, float* widened)
        where T : unmanaged, ILanes<T>
    {
        var length = layout.HeadDim * Positions;
        switch (layout.Format)
        {
            case KeyValueFormat.Float32:
                return (float*)place + ((long)head * length);
            case KeyValueFormat.Float16:
                var halves = (ushort*)place + ((long)head * length);
                for (var i = 0; i < length; i += 16)
                    T.LoadHalf(halves + i).Store(widened + i);
                return widened;
            default:
                var bytes = (sbyte*)place + ((long)head * length);
                for (var i = 0; i < length; i += 16)
                    T.LoadSByte(bytes + i).Store(widened + i);
                return widened;
        }
    }

    /// <summary>The scales of a head's keys; those of its values follow all keys'.</summary>
    private float* Scales(byte* place, int head) => (float*)(place + (2 * layout.ElementBytesPerLayer)) + (head * Positions);

    /// <summary>Multiplies each row of scores, of which <paramref name="count"/> count, by the scales of its keys.</summary>
    private static void Multiply<T>(float* scores, int rows, float* scales, int count)
        where T : unmanaged, ILanes<T>
    {
        for (var row = 0; row < rows; row++)
        {
            for (var j = 0; j < count; j += 16)
                (T.Load(scores + ((long)row * KeysPerPart) + j) * T.Load(scales + j)).Store(scores + ((long)row * KeysPerPart) + j);
        }
    }
}
