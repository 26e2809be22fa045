using ChatGLM.Tensors;

namespace ChatGLM.Peft.Tuners;

/// <summary>
/// A linear layer, its weight frozen and in any format, with adapters of one kind around it. It keeps the adapters, merges and unmerges them; a kind derives from it and says
/// what its adapters compute and what they do to the rows of a weight.
/// </summary>
internal abstract class TunerLinear<TAdapter>(Linear baseLayer) : Linear(baseLayer.Weight, baseLayer.Bias), ITunerLayer
    where TAdapter : class, IAdapter
{
    private readonly AdapterSet<TAdapter> _adapters = new();
    private LinearWeight? _unmerged;
    private Tensor? _mergedBias;

    public IEnumerable<string> Adapters => _adapters.Names;

    public bool IsMerged => _unmerged is not null;

    public override IEnumerable<(string Name, Tensor Parameter)> OwnParameters =>
        base.OwnParameters.Select(p => _mergedBias is not null && ReferenceEquals(p.Parameter, Bias) ? (p.Name, _mergedBias) : p).Concat(_adapters.NamedParameters());

    public sealed override Tensor Forward(Tensor x)
    {
        if (!_adapters.IsEnabled)
            return Functional.Linear(x, _unmerged ?? Weight, Bias);
        if (IsMerged)
            return Functional.Linear(x, Weight, _mergedBias ?? Bias);
        return _adapters.Active is { Length: > 0 } active ? Forward(x, active) : Functional.Linear(x, Weight, Bias);
    }

    public IEnumerable<AdapterParameter> Parameters(string adapter) => _adapters.Find(adapter)?.Parameters ?? [];

    public TAdapter? Find(string adapter) => _adapters.Find(adapter);

    public void Add(string adapter, IAdapter value) => _adapters.Add(adapter, (TAdapter)value);

    public void Delete(string adapter) => _adapters.Delete(adapter);

    public void Activate(IReadOnlyList<string> adapters) => _adapters.Activate(adapters);

    public void Enable(bool isEnabled) => _adapters.IsEnabled = isEnabled;

    public string? ProblemWithMerging() => Weight is DenseWeight
        ? null
        : $"its weight is a {Weight.GetType().Name}: rounding the sum to few bits again would change the answers. Load the base without quantization to merge.";

    public void Merge(IReadOnlyList<string> adapters, string path)
    {
        var merging = adapters.Select(_adapters.Find).OfType<TAdapter>().ToArray();
        if (merging.Length == 0)
            return;
        var bias = Bias is not null && Array.Exists(merging, ChangesBias) ? MergedWeight.Compute(Bias, path, Each(MergeBias)) : null;
        try
        {
            var merged = MergedWeight.Compute(((DenseWeight)Weight).Tensor, path, Each(MergeRows), RowsPerChunk(merging));
            (_unmerged, _mergedBias) = (Weight, bias);
            SetWeight(new DenseWeight(merged));
        }
        catch
        {
            bias?.Dispose();
            throw;
        }

        Func<Tensor, int, int, Tensor> Each(Func<TAdapter, Tensor, int, Tensor> merge) => (rows, start, _) => merging.Aggregate(rows, (sum, adapter) => merge(adapter, sum, start));
    }

    public void Unmerge()
    {
        if (_unmerged is not { } before)
            return;
        var merged = Weight;
        SetWeight(before);
        MergedWeight.Free(merged);
        _mergedBias?.Dispose();
        (_unmerged, _mergedBias) = (null, null);
    }

    public Module Unload()
    {
        if (_unmerged is { } before)
            MergedWeight.Free(before);
        _unmerged = null;
        if (_mergedBias is { } bias)
        {
            // The base layer's bias cannot be exchanged, so a new layer takes its place.
            Bias!.Dispose();
            _mergedBias = null;
            return new Linear(Weight, bias);
        }

        if (baseLayer.Weight != Weight)
            baseLayer.SetWeight(Weight);
        return baseLayer;
    }

    /// <summary>The layer's result, [..., out], with at least one adapter.</summary>
    protected abstract Tensor Forward(Tensor x, TAdapter[] active);

    /// <summary>Some rows of the weight with an adapter in them.</summary>
    /// <param name="adapter">The adapter.</param>
    /// <param name="rows">float32 [rows, in], to be changed in place or replaced.</param>
    /// <param name="start">The number of the first row.</param>
    protected abstract Tensor MergeRows(TAdapter adapter, Tensor rows, int start);

    /// <summary>How many rows have to be changed together.</summary>
    protected virtual int RowsPerChunk(TAdapter[] merging) => MergedWeight.RowsPerChunk;

    /// <summary>Whether an adapter changes the bias too.</summary>
    protected virtual bool ChangesBias(TAdapter adapter) => false;

    /// <summary>A part of the bias, float32 [rows], with an adapter in it.</summary>
    protected virtual Tensor MergeBias(TAdapter adapter, Tensor bias, int start) => bias;
}
