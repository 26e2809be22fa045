namespace ChatGLM.Tensors;

/// <summary>A <see cref="PagedBatch"/> for kernels in main memory: flat arrays, to be pinned for a call, and addresses of pages, valid while the pages are.</summary>
internal sealed class PagedTable
{
    private (int Rows, Tile[] Tiles)? _tiles;

    public PagedTable(PagedBatch batch)
    {
        var sequences = batch.Sequences;
        Sequences = new Entry[sequences.Count];
        Pages = new nint[sequences.Sum(s => KeyValuePageLayout.PagesOf(s.Keys))];
        SequenceOfRow = new int[batch.Rows];
        Array.Fill(SequenceOfRow, -1);
        var at = 0;
        for (var i = 0; i < Sequences.Length; i++)
        {
            var sequence = sequences[i];
            Sequences[i] = new Entry { FirstRow = sequence.FirstRow, Rows = sequence.Rows, Start = sequence.Start, Context = sequence.Context, FirstKey = sequence.FirstKey, FirstPage = at };
            for (var page = 0; page < KeyValuePageLayout.PagesOf(sequence.Keys); page++)
                Pages[at++] = sequence.Pages[page].Data.Address;
            Array.Fill(SequenceOfRow, i, sequence.FirstRow, sequence.Rows);
            MostKeys = Math.Max(MostKeys, sequence.Keys);
        }
    }

    /// <summary>The sequences, by rising rows.</summary>
    public Entry[] Sequences { get; }

    /// <summary>The addresses of the pages of all sequences.</summary>
    public nint[] Pages { get; }

    /// <summary>The sequence of each row; -1 for none.</summary>
    public int[] SequenceOfRow { get; }

    /// <summary>The keys of the longest sequence.</summary>
    public int MostKeys { get; }

    /// <summary>The rows of all sequences in blocks of at most so many.</summary>
    public Tile[] TilesOf(int rows)
    {
        if (_tiles is { } made && made.Rows == rows)
            return made.Tiles;
        var tiles = new Tile[Sequences.Sum(s => (s.Rows + rows - 1) / rows)];
        var at = 0;
        for (var i = 0; i < Sequences.Length; i++)
        {
            for (var first = 0; first < Sequences[i].Rows; first += rows)
                tiles[at++] = new Tile { Sequence = i, First = first, Count = Math.Min(rows, Sequences[i].Rows - first) };
        }

        _tiles = (rows, tiles);
        return tiles;
    }

    internal struct Entry
    {
        public int FirstRow;
        public int Rows;
        public int Start;
        public int Context;
        public int FirstKey;
        public int FirstPage;

        public readonly int VisibleTo(int row) => Math.Max(Context, Start + row + 1);
    }

    /// <summary>Rows of one sequence, counted from its first.</summary>
    internal struct Tile
    {
        public int Sequence;
        public int First;
        public int Count;
    }
}
