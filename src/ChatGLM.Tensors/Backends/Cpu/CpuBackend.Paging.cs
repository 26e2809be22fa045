namespace ChatGLM.Tensors;

public sealed unsafe partial class CpuBackend
{
    // What the parts of few rows may leave at once, in floats; beyond, a block goes through its keys on one thread, to the same bits.
    private const long MostPartialFloats = 8 << 20;

    /// <inheritdoc/>
    public override (int Least, int Most) FewRowsRange => (2, FewRows);

    /// <inheritdoc/>
    public override int LeastManyRows(LinearWeight weight) => weight is RowQuantizedWeight && Options.RoundsActivations ? ManyRows : FewRows + 1;

    /// <inheritdoc/>
    public override void WritePages(Tensor key, Tensor value, PagedBatch batch, int layer)
    {
        var layout = batch.Layout;
        RequireFloat32(nameof(WritePages), key, "key", value, "value");
        Shape expected = [batch.Rows, layout.KeyValueHeads, 1, layout.HeadDim];
        if (key.Shape != expected || value.Shape != expected)
            throw new TensorException(nameof(WritePages), $"expected key and value {expected}, found {key.Shape} and {value.Shape}.");
        RequireLayer(nameof(WritePages), layout, layer);
        var table = batch.Table;
        fixed (PagedTable.Entry* sequences = table.Sequences)
        fixed (nint* pages = table.Pages)
        fixed (int* sequenceOfRow = table.SequenceOfRow)
        {
            Parallel((long)batch.Rows * layout.KeyValueHeads, 4L * layout.HeadDim, new WritePagesBody(
                key.Pointer<float>(), value.Pointer<float>(), sequences, pages, sequenceOfRow, layout, layer));
        }

        GC.KeepAlive(key);
        GC.KeepAlive(value);
        GC.KeepAlive(batch);
    }

    /// <inheritdoc/>
    public override Tensor PagedAttention(Tensor query, PagedBatch batch, int layer, float scale)
    {
        var layout = batch.Layout;
        RequireFloat32(nameof(PagedAttention), query, "query");
        if (query.Shape.Rank != 4 || query.Shape[0] != batch.Rows || query.Shape[2] != 1 || query.Shape[3] != layout.HeadDim || query.Shape[1] % layout.KeyValueHeads != 0)
            throw new TensorException(nameof(PagedAttention), $"expected query [{batch.Rows}, a multiple of {layout.KeyValueHeads}, 1, {layout.HeadDim}], found {query.Shape}.");
        RequireLayer(nameof(PagedAttention), layout, layer);
        var heads = query.Shape[1];
        var y = New([batch.Rows, 1, heads * layout.HeadDim]);
        var table = batch.Table;
        for (var row = 0; row < batch.Rows; row++)
        {
            if (table.SequenceOfRow[row] < 0)
                new Span<float>(y.Pointer<float>() + ((long)row * heads * layout.HeadDim), heads * layout.HeadDim).Clear();
        }

        var tiles = table.TilesOf(PagedAttentionKernel.TileRowsOf(heads / layout.KeyValueHeads));
        var blocks = (long)tiles.Length * layout.KeyValueHeads;
        var parts = PagedAttentionKernel.PartsOf(table.MostKeys);
        fixed (PagedTable.Entry* sequences = table.Sequences)
        fixed (nint* pages = table.Pages)
        fixed (PagedTable.Tile* first = tiles)
        {
            var kernel = new PagedAttentionKernel(query.Pointer<float>(), y.Pointer<float>(), sequences, pages, layout, heads, layer, scale);
            var work = 2L * kernel.MostRows * layout.HeadDim / 8;
            var partials = blocks * kernel.MostRows * parts * kernel.PartialLength;
            if (parts > 1 && blocks < 4L * Pool.Threads && partials <= MostPartialFloats)
            {
                using var scratch = Pool.RentScratch(partials * sizeof(float));
                Parallel(blocks * parts, work * PagedAttentionKernel.KeysPerPart, new PagedPartBody(Pool, kernel, first, (float*)scratch.Pointer, parts));
                Parallel(blocks, (long)parts * kernel.MostRows * layout.HeadDim, new PagedJoinBody(kernel, first, (float*)scratch.Pointer, parts));
            }
            else
            {
                Parallel(blocks, work * table.MostKeys, new PagedTileBody(Pool, kernel, first));
            }
        }

        GC.KeepAlive(query);
        GC.KeepAlive(batch);
        return y;
    }

    private static void RequireLayer(string operation, in KeyValuePageLayout layout, int layer)
    {
        if ((uint)layer >= (uint)layout.Layers)
            throw new TensorException(operation, $"the pages hold {layout.Layers} layers, found layer {layer}.");
    }
}
