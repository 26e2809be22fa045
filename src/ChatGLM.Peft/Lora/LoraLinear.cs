using ChatGLM.Peft.Tuners;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.Lora;

/// <summary>A linear layer, its weight frozen and in any format, with LoRA adapters: y = W x + bias + scaling B A dropout(x).</summary>
internal sealed class LoraLinear(Linear baseLayer, TorchGenerator generator) : Linear(baseLayer.Weight, baseLayer.Bias), ITunerLayer
{
    private readonly AdapterSet<LoraAdapter> _adapters = new();
    private LinearWeight? _unmerged;
    private DoraNorm? _norm;

    public IEnumerable<string> Adapters => _adapters.Names;

    public bool IsMerged => _unmerged is not null;

    public override IEnumerable<(string Name, Tensor Parameter)> OwnParameters => base.OwnParameters.Concat(_adapters.NamedParameters());

    public override Tensor Forward(Tensor x)
    {
        var active = _adapters.Active;
        if (!_adapters.IsEnabled)
            return Functional.Linear(x, _unmerged ?? Weight, Bias);
        if (IsMerged || active.Length == 0)
            return Functional.Linear(x, Weight, Bias);
        if (Array.Exists(active, a => a.Magnitude is not null))
            return ForwardDora(x, active);
        var y = Functional.Linear(x, Weight, Bias);
        foreach (var adapter in active)
            y = Functional.Add(y, LowRank(SequenceFirstDropout.Apply(x, adapter.Dropout, generator, Training), adapter), adapter.Scaling);
        return y;
    }

    public IEnumerable<AdapterParameter> Parameters(string adapter) => _adapters.Find(adapter)?.Parameters ?? [];

    public LoraAdapter? Find(string adapter) => _adapters.Find(adapter);

    public void Add(string adapter, IAdapter value) => _adapters.Add(adapter, (LoraAdapter)value);

    public void Delete(string adapter) => _adapters.Delete(adapter);

    public void Activate(IReadOnlyList<string> adapters) => _adapters.Activate(adapters);

    public void Enable(bool isEnabled) => _adapters.IsEnabled = isEnabled;

    public string? ProblemWithMerging() => Weight is DenseWeight
        ? null
        : $"its weight is a {Weight.GetType().Name}: rounding the sum to few bits again would change the answers. Load the base without quantization to merge.";

    public void Merge(IReadOnlyList<string> adapters, string path)
    {
        var merging = adapters.Select(_adapters.Find).OfType<LoraAdapter>().ToArray();
        if (merging.Length == 0)
            return;
        var merged = MergedWeight.Compute(((DenseWeight)Weight).Tensor, path, (wide, start, rows) =>
        {
            var backend = wide.Backend;
            foreach (var adapter in merging)
            {
                backend.AddInPlace(wide, backend.MatMul(backend.Slice(adapter.B, 0, start, rows), adapter.A), adapter.Scaling);
                if (adapter.Magnitude is { } magnitude)
                    wide = DoraNorm.ScaleRows(wide, backend.Slice(magnitude, 0, start, rows));
            }

            return wide;
        });
        _unmerged = Weight;
        SetWeight(new DenseWeight(merged));
    }

    public void Unmerge()
    {
        if (_unmerged is not { } before)
            return;
        var merged = Weight;
        SetWeight(before);
        _unmerged = null;
        MergedWeight.Free(merged);
    }

    public Module Unload()
    {
        if (_unmerged is { } before)
        {
            _unmerged = null;
            MergedWeight.Free(before);
        }

        if (baseLayer.Weight != Weight)
            baseLayer.SetWeight(Weight);
        return baseLayer;
    }

    /// <summary>The lengths of the rows of the weight with an adapter, as DoRA starts from them.</summary>
    public Tensor RowNorms(LoraAdapter adapter) => Norm.Compute(adapter);

    private DoraNorm Norm => _norm?.IsOf(Weight) == true ? _norm : _norm = new DoraNorm(Weight);

    private static Tensor LowRank(Tensor x, LoraAdapter adapter) => Functional.Linear(Functional.Linear(x, adapter.WeightA), adapter.WeightB);

    /// <summary>With DoRA each row of W + scaling B A is brought to a length of its own: the row's factor is that length over the norm, which is held constant in the backward pass.</summary>
    private Tensor ForwardDora(Tensor x, LoraAdapter[] active)
    {
        var plain = Functional.Linear(x, Weight);
        var y = Bias is { } bias ? Functional.Add(plain, Functional.Cast(bias, DType.Float32)) : plain;
        foreach (var adapter in active)
        {
            var dropped = SequenceFirstDropout.Apply(x, adapter.Dropout, generator, Training);
            var lowRank = LowRank(dropped, adapter);
            if (adapter.Magnitude is not { } magnitude)
            {
                y = Functional.Add(y, lowRank, adapter.Scaling);
                continue;
            }

            Tensor norm;
            using (GradMode.NoGrad())
                norm = Norm.Compute(adapter);
            var factor = Functional.Divide(magnitude, norm);
            var full = ReferenceEquals(dropped, x) ? plain : Functional.Linear(dropped, Weight);
            y = Functional.Add(y, Functional.Multiply(full, Functional.Affine(factor, 1, -1)));
            y = Functional.Add(y, Functional.Multiply(lowRank, factor), adapter.Scaling);
        }

        return y;
    }
}
