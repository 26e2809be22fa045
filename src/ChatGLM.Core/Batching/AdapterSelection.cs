namespace ChatGLM.Batching;

/// <summary>Which adapter the model answers with, so that it is only changed where it has to be.</summary>
internal sealed class AdapterSelection(BatchAdapters? adapters)
{
    private static readonly object Shared = new();

    /// <summary>Whether <see cref="_selected"/> is what the model answers with; not before the first selection, nor after one that failed half way.</summary>
    private bool _isKnown;
    private string? _selected;

    /// <summary>Whether there are adapters at all.</summary>
    public bool HasAdapters => adapters is not null;

    /// <summary>Requests of the same group go through the model together.</summary>
    public object GroupOf(string? adapter) => adapters is null || adapters.SharesPasses(adapter) ? Shared : (object?)adapter ?? "";

    /// <summary>Makes the model ready for an adapter: selected, or none, where rows choose.</summary>
    public void SelectFor(string? adapter) => Select(adapters?.SharesPasses(adapter) == true ? null : adapter);

    public void Select(string? adapter)
    {
        if (adapters is null || (_isKnown && adapter == _selected))
            return;
        _isKnown = false;
        adapters.Select(adapter);
        (_selected, _isKnown) = (adapter, true);
    }

    /// <summary>Sends rows through their adapters, where any row has one and they share passes.</summary>
    public IDisposable? Route(IReadOnlyList<string?> adapterOfRow) => adapters is not null && adapterOfRow.Any(adapter => adapter is not null && adapters.SharesPasses(adapter)) ? adapters.Route(adapterOfRow) : null;

    public void Forget() => _isKnown = false;
}
