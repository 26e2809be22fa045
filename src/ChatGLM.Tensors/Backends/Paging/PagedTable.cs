namespace ChatGLM.Tensors;

/// <summary>A <see cref="PagedBatch"/> for kernels in main memory: sequences and addresses of pages in pinned arrays. Valid while the pages are.</summary>
internal sealed unsafe class PagedTable
{
    private readonly Entry[] _sequences;
    private readonly nint[] _pages;
    private readonly int[] _sequenceOfRow;
    private (int Rows, Tile[] Tiles)? _tiles;

    public PagedTable(PagedBatch batch)
    {
        var sequences = batch.Sequences;
        _sequences = GC.AllocateUninitializedArray<Entry>(sequences.Count, pinned: true);
        _pages = GC.AllocateUninitializedArray<nint>(sequences.Sum(s => KeyValuePageLayout.PagesOf(s.Keys)), pinned: true);
        _sequenceOfRow = GC.AllocateUninitializedArray<int>(batch.Rows, pinned: true);
        Array.Fill(_sequenceOfRow, -1);
        var at = 0;
        for (var i = 0; i < _sequences.Length; i++)
        {
            var sequence = sequences[i];
            _sequences[i] = new Entry { FirstRow = sequence.FirstRow, Rows = sequence.Rows, Start = sequence.Start, Context = sequence.Context, FirstPage = at };
            for (var page = 0; page < KeyValuePageLayout.PagesOf(sequence.Keys); page++)
                _pages[at++] = sequence.Pages[page].Data.Address;
            Array.Fill(_sequenceOfRow, i, sequence.FirstRow, sequence.Rows);
            MostKeys = Math.Max(MostKeys, sequence.Keys);
        }
    }

    /// <summary>The keys of the longest sequence.</summary>
    public int MostKeys { get; }

    public Entry* Sequences => (Entry*)System.Runtime.CompilerServices.Unsafe.AsPointer(ref System.Runtime.InteropServices.MemoryMarshal.GetArrayDataReference(_sequences));

    /// <summary>The addresses of the pages of all sequences.</summary>
    public nint* Pages => (nint*)System.Runtime.CompilerServices.Unsafe.AsPointer(ref System.Runtime.InteropServices.MemoryMarshal.GetArrayDataReference(_pages));

    /// <summary>The sequence of each row; -1 for none.</summary>
    public int* SequenceOfRow => (int*)System.Runtime.CompilerServices.Unsafe.AsPointer(ref System.Runtime.InteropServices.MemoryMarshal.GetArrayDataReference(_sequenceOfRow));

    /// <summary>The rows of all sequences in blocks of at most so many; pinned.</summary>
    public Tile[] TilesOf(int rows)
    {
        if (_tiles is { } made && made.Rows == rows)
            return made.Tiles;
        var tiles = GC.AllocateUninitializedArray<Tile>(_sequences.Sum(s => (s.Rows + rows - 1) / rows), pinned: true);
        var at = 0;
        for (var i = 0; i < _sequences.Length; i++)
        {
            for (var first = 0; first < _sequences[i].Rows; first += rows)
                tiles[at++] = new Tile { Sequence = i, First = first, Count = Math.Min(rows, _sequences[i].Rows - first) };
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
