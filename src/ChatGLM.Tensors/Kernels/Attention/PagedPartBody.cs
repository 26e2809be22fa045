namespace ChatGLM.Tensors;

/// <summary>Attention of few rows over many keys: an item is one part of the keys, for one block of rows and one key and value head. <see cref="PagedJoinBody"/> joins the parts.</summary>
internal readonly unsafe struct PagedPartBody(WorkerPool pool, PagedAttentionKernel kernel, PagedTable.Tile* tiles, float* partials, int parts) : ILaneBody
{
    public void Run<T>(long from, long to)
        where T : unmanaged, ILanes<T>
    {
        using var scratch = pool.RentScratch(kernel.ScratchLength * sizeof(float));
        var length = kernel.PartialLength;
        for (var item = from; item < to; item++)
        {
            var (block, part) = Math.DivRem(item, parts);
            var (tile, head) = Math.DivRem(block, kernel.KeyValueHeads);
            if (part < kernel.PartsOf(tiles[tile]))
                kernel.Part<T>(tiles[tile], (int)head, (int)part, (float*)scratch.Pointer, partials + (block * kernel.MostRows * parts * length) + (part * length), (long)parts * length);
        }
    }
}
