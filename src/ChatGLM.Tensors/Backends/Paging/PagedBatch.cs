namespace ChatGLM.Tensors;

/// <summary>
/// Which sequences the rows of a pass belong to, and where the keys and values of these lie. A row is one token of any sequence; rows that belong to none fill a pass up and attend to nothing.
/// </summary>
public sealed class PagedBatch
{
    private readonly PagedSequence[] _sequences;
    private PagedTable? _table;

    /// <summary>Describes a pass.</summary>
    /// <param name="rows">All rows of the pass.</param>
    /// <param name="layout">The layout of the pages.</param>
    /// <param name="sequences">The sequences, by rising rows that do not overlap.</param>
    /// <exception cref="TensorException">Rows overlap, or a sequence has too few pages.</exception>
    public PagedBatch(int rows, in KeyValuePageLayout layout, ReadOnlySpan<PagedSequence> sequences)
    {
        var after = 0;
        foreach (var sequence in sequences)
        {
            if (sequence.Rows < 1 || sequence.FirstRow < after || sequence.FirstRow > rows - sequence.Rows)
                throw new TensorException(nameof(PagedBatch), $"rows {sequence.FirstRow}..{sequence.FirstRow + sequence.Rows} of a sequence are not among the rows {after}..{rows} that are left.");
            if (sequence.Start < 0 || sequence.FirstKey < 0 || sequence.Context < 0 || sequence.Context > sequence.Keys || KeyValuePageLayout.PagesOf(sequence.Keys) > sequence.Pages.Count)
                throw new TensorException(nameof(PagedBatch), $"{sequence.Rows} rows from position {sequence.Start} on, of which each sees {sequence.Context} keys, do not fit {sequence.Pages.Count} pages.");
            foreach (var page in sequence.Pages)
            {
                if (page.Layout != layout)
                    throw new TensorException(nameof(PagedBatch), $"expected pages of {layout}, found one of {page.Layout}.");
            }

            after = sequence.FirstRow + sequence.Rows;
        }

        Rows = rows;
        Layout = layout;
        _sequences = sequences.ToArray();
    }

    /// <summary>All rows of the pass.</summary>
    public int Rows { get; }

    /// <summary>The layout of the pages.</summary>
    public KeyValuePageLayout Layout { get; }

    /// <summary>The sequences, by rising rows.</summary>
    public IReadOnlyList<PagedSequence> Sequences => _sequences;

    /// <summary>The same in a form that kernels read without managed objects; made once, for all layers.</summary>
    internal PagedTable Table => _table ??= new PagedTable(this);
}
