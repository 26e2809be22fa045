namespace ChatGLM.Batching;

/// <summary>
/// The rows of one pass. Where a row's bits hang on how many rows there are, of the pass or of its adapter, these numbers are kept within a range, by rows of nobody if need be: generated tokens within the
/// range in which few rows agree, prompts above it.
/// </summary>
/// <param name="fewRows">The range in which few rows agree.</param>
/// <param name="leastOfPrompt">The rows from which on any number agrees, for a pass of prompts.</param>
internal sealed class PassRows((int Least, int Most) fewRows, int? leastOfPrompt = null)
{
    private readonly List<(BatchSequence Sequence, int Rows)> _items = [];
    private readonly Dictionary<string, int> _bound = new(StringComparer.Ordinal);
    private List<string?>? _adapterOfRow;
    private int _used;
    private bool _isBound;

    public IReadOnlyList<(BatchSequence Sequence, int Rows)> Items => _items;

    /// <summary>All rows, those of nobody among them.</summary>
    public int Rows => AdapterOfRow.Count;

    /// <summary>The adapter of each row.</summary>
    public IReadOnlyList<string?> AdapterOfRow => _adapterOfRow ??= Fill();

    /// <summary>Whether further rows fit in.</summary>
    /// <param name="sequence">Whose they are.</param>
    /// <param name="rows">How many.</param>
    /// <param name="isFree">Whether the number of all rows does not matter.</param>
    /// <param name="isAdapterBound">Whether the number of rows of their adapter does.</param>
    public bool Fits(BatchSequence sequence, int rows, bool isFree, bool isAdapterBound)
    {
        var adapter = sequence.Request.Adapter ?? "";
        var own = _bound.GetValueOrDefault(adapter);
        if (isAdapterBound && own + rows > fewRows.Most)
            return false;
        return isFree || Padded(_used + rows, own + rows, adapter) <= fewRows.Most;
    }

    public void Add(BatchSequence sequence, int rows, bool isFree, bool isAdapterBound)
    {
        _items.Add((sequence, rows));
        _used += rows;
        _isBound |= !isFree;
        if (isAdapterBound)
            _bound[sequence.Request.Adapter ?? ""] = _bound.GetValueOrDefault(sequence.Request.Adapter ?? "") + rows;
        _adapterOfRow = null;
    }

    /// <summary>The rows that there would be, with those that make up for too few of an adapter.</summary>
    private int Padded(int used, int own, string adapter)
    {
        var padded = used;
        foreach (var (name, count) in _bound)
            padded += name == adapter ? 0 : Math.Max(0, fewRows.Least - count);
        return padded + Math.Max(0, fewRows.Least - own);
    }

    private List<string?> Fill()
    {
        var rows = new List<string?>();
        foreach (var (sequence, count) in _items)
            rows.AddRange(Enumerable.Repeat(sequence.Request.Adapter, count));
        var least = leastOfPrompt ?? fewRows.Least;
        foreach (var (name, count) in _bound)
            rows.AddRange(Enumerable.Repeat(name.Length == 0 ? null : name, Math.Max(0, least - count)));
        while (_isBound && rows.Count < least)
            rows.Add(null);
        return rows;
    }
}
