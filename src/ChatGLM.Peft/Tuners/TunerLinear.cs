using ChatGLM.Peft.Rows;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.Tuners;

/// <summary>
/// A linear layer, its weight frozen and in any format, with adapters of one kind around it. It keeps the adapters, merges and unmerges them; a kind derives from it and says
/// what its adapters compute and what they do to the rows of a weight.
/// </summary>
internal abstract class TunerLinear<TAdapter>(Linear baseLayer) : Linear(baseLayer.Weight, baseLayer.Bias), ITunerLayer, IRoutedLayer
    where TAdapter : class, IAdapter
{
    private readonly AdapterSet<TAdapter> _adapters = new();
    private LinearWeight? _aside;
    private Tensor? _mergedBias;

    public IEnumerable<string> Adapters => _adapters.Names;

    public bool IsMerged { get; private set; }

    public IEnumerable<Tensor> Aside => _aside?.Tensors.Select(t => t.Tensor) ?? [];

    public RowRouting? Routing { get; set; }

    public override IEnumerable<(string Name, Tensor Parameter)> OwnParameters =>
        base.OwnParameters.Select(p => _mergedBias is not null && ReferenceEquals(p.Parameter, Bias) ? (p.Name, _mergedBias) : p).Concat(_adapters.NamedParameters());

    public sealed override Tensor Forward(Tensor x)
    {
        if (!_adapters.IsEnabled)
            return Functional.Linear(x, BaseWeight, Bias);
        if (Routing?.Current is { } rows)
            return IsMerged ? throw new AdapterRowsException("Adapters were merged into the weights while rows go through adapters of their own.") : Forward(x, rows);
        if (IsMerged)
            return Functional.Linear(x, Weight, _mergedBias ?? Bias);
        return _adapters.Active is { Length: > 0 } active ? Forward(x, active) : Functional.Linear(x, Weight, Bias);
    }

    public IEnumerable<AdapterParameter> Parameters(string adapter) => _adapters.Find(adapter)?.Parameters ?? [];

    public TAdapter? Find(string adapter) => _adapters.Find(adapter);

    public void Add(string adapter, IAdapter value) => _adapters.Add(adapter, (TAdapter)value);

    public void Delete(string adapter)
    {
        var standIn = Find(adapter) is { } deleted ? StandIn(deleted) : null;
        _adapters.Delete(adapter);
        PutWeight();
        if (standIn is not null)
            MergedWeight.Free(standIn);
    }

    public void Activate(IReadOnlyList<string> adapters)
    {
        _adapters.Activate(adapters);
        PutWeight();
    }

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
            var weight = ((DenseWeight)(merging.Select(StandIn).FirstOrDefault(w => w is not null) ?? BaseWeight)).Tensor;
            var merged = LowRankTerms(merging) is { } terms ? MergedWeight.Compute(weight, path, terms) : MergedWeight.Compute(weight, path, Each(MergeRows), RowsPerChunk(merging));
            (IsMerged, _mergedBias) = (true, bias);
            Put(new DenseWeight(merged));
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
        if (!IsMerged)
            return;
        var merged = Weight;
        IsMerged = false;
        PutWeight();
        MergedWeight.Free(merged);
        _mergedBias?.Dispose();
        _mergedBias = null;
    }

    public Module Unload()
    {
        if (!IsMerged)
            Put(null);
        else if (_aside is { } before)
            MergedWeight.Free(before);
        (IsMerged, _aside) = (false, null);
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

    /// <summary>The base's own weight, whatever stands in its place now.</summary>
    protected LinearWeight BaseWeight => _aside ?? Weight;

    /// <summary>The layer's result, [batch, ..., out], where each row has an adapter of its own.</summary>
    protected virtual Tensor Forward(Tensor x, RowAdapters rows) =>
        throw new AdapterRowsException($"Adapters of this kind ({typeof(TAdapter).Name}) cannot be chosen for single rows.");

    /// <summary>A weight that takes the base's place while the adapter is active, or null for none; it is the adapter's own.</summary>
    protected virtual LinearWeight? StandIn(TAdapter adapter) => null;

    /// <summary>What merging adds to the weight, where that is a sum of thin products; null where it is something else.</summary>
    protected virtual LowRankTerm[]? LowRankTerms(TAdapter[] merging) => null;

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

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            foreach (var weight in Adapters.Select(name => StandIn(Find(name)!)).Append(_aside).OfType<LinearWeight>())
                MergedWeight.Free(weight);
        }

        base.Dispose(disposing);
    }

    private void PutWeight()
    {
        if (!IsMerged)
            Put(_adapters.Active.Select(StandIn).FirstOrDefault(weight => weight is not null));
    }

    private void Put(LinearWeight? standIn)
    {
        var own = BaseWeight;
        SetWeight(standIn ?? own);
        _aside = standIn is null ? null : own;
    }
}
