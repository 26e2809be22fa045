namespace ChatGLM.Tensors;

/// <summary>Joins what <see cref="PagedPartBody"/> left. An item is one block of rows of one key and value head.</summary>
internal readonly unsafe struct PagedJoinBody(PagedAttentionKernel kernel, PagedTable.Tile* tiles, float* partials, int parts) : ILaneBody
{
    public void Run<T>(long from, long to)
        where T : unmanaged, ILanes<T>
    {
        for (var block = from; block < to; block++)
        {
            var (tile, head) = Math.DivRem(block, kernel.KeyValueHeads);
            kernel.Join<T>(tiles[tile], (int)head, partials + (block * kernel.MostRows * parts * kernel.PartialLength), kernel.PartsOf(tiles[tile]), parts);
        }
    }
}
