namespace ChatGLM.Peft.Tuners;

/// <summary>The adapters of one layer by name, and which of them take part.</summary>
internal sealed class AdapterSet<TAdapter>
    where TAdapter : class, IAdapter
{
    private readonly List<(string Name, TAdapter Adapter)> _all = [];
    private IReadOnlyList<string> _activeNames = [];

    public IEnumerable<string> Names => _all.Select(a => a.Name);

    /// <summary>The adapters that take part, whether or not they are switched on.</summary>
    public TAdapter[] Active { get; private set; } = [];

    public bool IsEnabled { get; set; } = true;

    public TAdapter? Find(string name) => _all.Find(a => a.Name == name).Adapter;

    /// <summary>The parameters in PyTorch's order: those of one kind together.</summary>
    public IEnumerable<(string Name, Tensors.Tensor Parameter)> NamedParameters() =>
        _all.SelectMany(a => a.Adapter.Parameters.Select((p, index) => (index, Name: p.NameFor(a.Name), p.Tensor)))
            .OrderBy(p => p.index)
            .Select(p => (p.Name, p.Tensor));

    public void Add(string name, TAdapter adapter)
    {
        _all.Add((name, adapter));
        Refresh();
    }

    public void Delete(string name)
    {
        if (Find(name) is not { } adapter)
            return;
        _all.RemoveAll(a => a.Name == name);
        Refresh();
        foreach (var parameter in adapter.Parameters)
        {
            parameter.Tensor.ZeroGrad();
            parameter.Tensor.Dispose();
        }
    }

    public void Activate(IReadOnlyList<string> names)
    {
        _activeNames = names;
        Refresh();
    }

    private void Refresh() => Active = [.. _activeNames.Select(Find).OfType<TAdapter>()];
}
