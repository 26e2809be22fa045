namespace ChatGLM.Tensors;

/// <summary>Transposes matrices [rows, columns] of small elements in tiles that fit the first-level cache. An item is one band of tiles of one matrix.</summary>
internal readonly unsafe struct TransposeBody<TElement>(TElement* source, TElement* target, long rows, long columns) : ILaneBody
    where TElement : unmanaged
{
    public const int Tile = 32;

    /// <summary>Bands of one matrix.</summary>
    public static long Bands(long columns) => (columns + Tile - 1) / Tile;

    public void Run<T>(long from, long to)
        where T : unmanaged, ILanes<T>
    {
        var bands = Bands(columns);
        for (var item = from; item < to; item++)
        {
            var (matrix, band) = Math.DivRem(item, bands);
            TElement* read = source + (matrix * rows * columns), write = target + (matrix * rows * columns);
            var lastColumn = Math.Min(columns, (band + 1) * Tile);
            for (long row = 0; row < rows; row += Tile)
            {
                var lastRow = Math.Min(rows, row + Tile);
                for (var column = band * Tile; column < lastColumn; column++)
                {
                    for (var r = row; r < lastRow; r++)
                        write[(column * rows) + r] = read[(r * columns) + column];
                }
            }
        }
    }
}
