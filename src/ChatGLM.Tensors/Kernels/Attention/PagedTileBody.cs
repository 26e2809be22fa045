namespace ChatGLM.Tensors;

/// <summary>Attention over pages where there are blocks of rows enough for all threads: an item is one block of one key and value head, from its first key to its last.</summary>
internal readonly unsafe struct PagedTileBody(WorkerPool pool, PagedAttentionKernel kernel, PagedTable.Tile* tiles) : ILaneBody
{
    public void Run<T>(long from, long to)
        where T : unmanaged, ILanes<T>
    {
        for (var item = from; item < to; item++)
        {
            var (tile, head) = Math.DivRem(item, kernel.KeyValueHeads);
            var parts = kernel.PartsOf(tiles[tile]);
            var length = kernel.PartialLength;
            var rows = kernel.RowsOf(tiles[tile]);
            using var scratch = pool.RentScratch((kernel.ScratchLength + ((long)rows * parts * length)) * sizeof(float));
            var partials = (float*)scratch.Pointer + kernel.ScratchLength;
            for (var part = 0; part < parts; part++)
                kernel.Part<T>(tiles[tile], (int)head, part, (float*)scratch.Pointer, partials + (part * length), (long)parts * length);
            kernel.Join<T>(tiles[tile], (int)head, partials, parts);
        }
    }
}
