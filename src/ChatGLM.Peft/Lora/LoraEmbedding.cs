using ChatGLM.Peft.Tuners;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.Lora;

/// <summary>An embedding with LoRA adapters: the row of the table plus scaling B A[:, id].</summary>
internal sealed class LoraEmbedding(Embedding baseLayer) : Embedding(baseLayer.Weight), ITunerLayer
{
    private readonly AdapterSet<LoraAdapter> _adapters = new();
    private Tensor? _merged;

    public IEnumerable<string> Adapters => _adapters.Names;

    public Tensor? Bias => null;

    public bool IsMerged => _merged is not null;

    public override IEnumerable<(string Name, Tensor Parameter)> OwnParameters => new[] { ("weight", _merged ?? Weight) }.Concat(_adapters.NamedParameters());

    public override Tensor Forward(Tensor ids)
    {
        if (!_adapters.IsEnabled)
            return Functional.Embedding(ids, Weight);
        var y = Functional.Embedding(ids, _merged ?? Weight);
        if (IsMerged)
            return y;
        foreach (var adapter in _adapters.Active)
        {
            var columns = Functional.Embedding(ids, Functional.Permute(adapter.A, [1, 0]));
            y = Functional.Add(y, Functional.Linear(columns, adapter.WeightB), adapter.Scaling);
        }

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
        _merged = MergedWeight.Compute(Weight, path, (wide, start, rows) =>
        {
            var backend = wide.Backend;
            foreach (var adapter in merging)
                backend.AddInPlace(wide, backend.MatMul(backend.Slice(adapter.A, 1, start, rows), adapter.B, transposeA: true, transposeB: true), adapter.Scaling);
            return wide;
        });
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
}
