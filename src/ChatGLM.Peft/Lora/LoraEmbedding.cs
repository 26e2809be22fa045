using ChatGLM.Peft.Rows;
using ChatGLM.Peft.Tuners;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.Lora;

/// <summary>An embedding with LoRA adapters: the row of the table plus scaling B A[:, id].</summary>
internal sealed class LoraEmbedding(Embedding baseLayer) : Embedding(baseLayer.Weight), ITunerLayer, IRoutedLayer
{
    private readonly AdapterSet<LoraAdapter> _adapters = new();
    private Tensor? _merged;

    public IEnumerable<string> Adapters => _adapters.Names;

    public Tensor? Bias => null;

    public bool IsMerged => _merged is not null;

    public IEnumerable<Tensor> Aside => IsMerged ? [Weight] : [];

    public RowRouting? Routing { get; set; }

    public override IEnumerable<(string Name, Tensor Parameter)> OwnParameters => new[] { ("weight", _merged ?? Weight) }.Concat(_adapters.NamedParameters());

    public override Tensor Forward(Tensor ids)
    {
        if (!_adapters.IsEnabled)
            return Functional.Embedding(ids, Weight);
        if (Routing?.Current is { } rows)
            return Forward(ids, rows);
        var y = Functional.Embedding(ids, _merged ?? Weight);
        if (IsMerged)
            return y;
        foreach (var adapter in _adapters.Active)
            y = Functional.Add(y, LowRank(ids, adapter), adapter.Scaling);
        return y;
    }

    public IEnumerable<AdapterParameter> Parameters(string adapter) => _adapters.Find(adapter)?.Parameters ?? [];

    public LoraAdapter? Find(string adapter) => _adapters.Find(adapter);

    public void Add(string adapter, IAdapter value) => _adapters.Add(adapter, (LoraAdapter)value);

    public void Delete(string adapter) => _adapters.Delete(adapter);

    public void Activate(IReadOnlyList<string> adapters) => _adapters.Activate(adapters);

    public void Enable(bool isEnabled) => _adapters.IsEnabled = isEnabled;

    public string? ProblemWithMerging() => null;

    public void Merge(IReadOnlyList<string> adapters, string path)
    {
        var merging = adapters.Select(_adapters.Find).OfType<LoraAdapter>().ToArray();
        if (merging.Length == 0)
            return;
        using var scope = new TensorScope();
        // The change of the table [count, width] is (B A)^T.
        _merged = MergedWeight.Compute(Weight, path, Array.ConvertAll(merging, a => new LowRankTerm(a.A.Backend.Permute(a.A, [1, 0]), a.B.Backend.Permute(a.B, [1, 0]), a.Scaling)));
    }

    public void Unmerge()
    {
        _merged?.Dispose();
        _merged = null;
    }

    public Module Unload()
    {
        if (_merged is not { } merged)
            return baseLayer;
        _merged = null;
        Weight.Dispose();
        return new Embedding(merged);
    }

    private Tensor Forward(Tensor ids, RowAdapters rows)
    {
        if (IsMerged)
            throw new AdapterRowsException("Adapters were merged into the weights while rows go through adapters of their own.");
        using var noGrad = GradMode.NoGrad();
        var y = Functional.Embedding(ids, Weight);
        foreach (var (name, chosen) in rows.Groups(ids.Shape[0]))
        {
            using var scope = new TensorScope();
            if (_adapters.Find(name) is { } adapter)
                RowAdapters.Add(y, chosen, LowRank(RowAdapters.Take(ids, chosen), adapter), adapter.Scaling);
        }

        return y;
    }

    private static Tensor LowRank(Tensor ids, LoraAdapter adapter) =>
        Functional.Linear(Functional.Embedding(ids, Functional.Permute(adapter.A, [1, 0])), adapter.WeightB);
}
