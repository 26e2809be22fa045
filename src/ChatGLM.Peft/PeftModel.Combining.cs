using System.Text.RegularExpressions;
using ChatGLM.Peft.Combining;
using ChatGLM.Peft.Lora;
using ChatGLM.Peft.Tuners;
using ChatGLM.Tensors;

namespace ChatGLM.Peft;

/// <content>Making one adapter of several.</content>
public partial class PeftModel
{
    /// <summary>Adds an adapter that combines others (<c>add_weighted_adapter</c>). It is not active until <see cref="SetAdapter"/>.</summary>
    /// <param name="adapters">The LoRA adapters to combine.</param>
    /// <param name="weights">How strongly each counts.</param>
    /// <param name="adapterName">What to call the new one.</param>
    /// <param name="options">How; by singular values if null.</param>
    /// <exception cref="AdapterNameException">An adapter is not there, or the new name is taken.</exception>
    /// <exception cref="AdapterMergeException">These adapters cannot be combined so. Nothing was changed.</exception>
    public void AddWeightedAdapter(IReadOnlyList<string> adapters, IReadOnlyList<float> weights, string adapterName, WeightedAdapterOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(adapters);
        ArgumentNullException.ThrowIfNull(weights);
        options ??= new WeightedAdapterOptions();
        RequireNewName(adapterName);
        RequireCombinable(adapters, weights, options);
        // One adapter alone has nothing to be fitted to.
        if (adapters.Count == 1)
            options = options with { CombinationType = CombinationType.Linear };
        var first = (LoraConfig)Config(adapters[0]);
        var rank = options.CombinationType switch
        {
            CombinationType.Cat => adapters.Sum(name => ((LoraConfig)Config(name)).R),
            var type when type.IsSvd() => options.SvdRank ?? adapters.Max(name => ((LoraConfig)Config(name)).R),
            _ => first.R,
        };
        var present = _layers.Where(l => adapters.Any(name => Find(l.Layer, name) is not null)).ToList();
        var generator = options.Seed is { } seed ? new TorchGenerator(seed) : BaseModel.Generator;
        var before = generator.GetState();
        var combined = new List<(string Path, ITunerLayer Layer, LoraAdapter Adapter)>();
        try
        {
            if (options.CombinationType.IsRandom())
                PassFirstValues(present.Select(l => l.Layer), rank, first, generator);
            var combiner = new LoraCombiner(options, rank, generator);
            foreach (var (path, layer) in present)
            {
                var parts = adapters.Select((name, i) => (Adapter: Find(layer, name), Weight: weights[i])).Where(a => a.Adapter is not null).ToList();
                var factors = combiner.Combine([.. parts.Select(p => p.Adapter!)], [.. parts.Select(p => p.Weight)], layer is Embedding);
                combined.Add((path, layer, Adapter(layer, factors, parts[0].Adapter!, first.LoraDropout)));
            }
        }
        catch
        {
            foreach (var parameter in combined.SelectMany(c => c.Adapter.Parameters))
                parameter.Tensor.Dispose();
            generator.SetState(before);
            throw;
        }

        foreach (var (_, layer, adapter) in combined)
            layer.Add(adapterName, adapter);
        var ranks = combined.Where(c => c.Adapter.Rank != rank).ToDictionary(c => Regex.Escape(c.Path), c => c.Adapter.Rank, StringComparer.Ordinal);
        _adapters.Add((adapterName, Targeting([.. combined.Select(c => c.Path)], adapters, first with
        {
            R = rank,
            LoraAlpha = rank,
            RankPattern = ranks,
            AlphaPattern = ranks.ToDictionary(r => r.Key, r => (double)r.Value, StringComparer.Ordinal),
            UseRslora = false,
            InitLoraWeights = InitLoraWeights.Default,
            ModulesToSave = null,
        })));
        Activate(_active);
    }

    private static LoraAdapter? Find(ITunerLayer layer, string adapter) => layer switch
    {
        LoraLinear linear => linear.Find(adapter),
        LoraEmbedding embedding => embedding.Find(adapter),
        _ => null,
    };

    private static LoraAdapter Adapter(ITunerLayer layer, LoraCombiner.Factors factors, LoraAdapter like, float dropout)
    {
        var (rows, columns, backend) = (like.B.Shape[0], like.A.Shape[1], like.A.Backend);
        using var outliving = TensorScope.Suspend();
        return new LoraAdapter(
            Tensor.From(factors.A, [factors.Rank, columns], backend), Tensor.From(factors.B, [rows, factors.Rank], backend), 1, layer is Embedding ? 0 : dropout, layer is Embedding);
    }

    /// <summary>peft first makes the new adapter with first values of its own, which are drawn before anything is dropped.</summary>
    private static void PassFirstValues(IEnumerable<ITunerLayer> layers, int rank, LoraConfig like, TorchGenerator generator)
    {
        foreach (var layer in layers)
        {
            foreach (var parameter in LoraTuner.CreatePlain((Module)layer, rank, like.InitLoraWeights, generator).Parameters)
                parameter.Tensor.Dispose();
        }
    }

    private void RequireCombinable(IReadOnlyList<string> adapters, IReadOnlyList<float> weights, WeightedAdapterOptions options)
    {
        if (adapters.Count == 0 || adapters.Count != weights.Count)
            throw new AdapterMergeException($"{adapters.Count} adapters and {weights.Count} weights were given; expected as many weights as adapters, and at least one.");
        if (weights.Any(weight => !float.IsFinite(weight)))
            throw new AdapterMergeException("A weight is not a finite number.");
        foreach (var name in adapters)
        {
            if (Config(name) is not LoraConfig config)
                throw new AdapterMergeException($"'{name}' is not a LoRA adapter; only those can be combined.");
            if (config.UseDora || config.Bias != LoraBias.None || config.ModulesToSave is { Count: > 0 })
                throw new AdapterMergeException($"'{name}' has trained more than A and B (use_dora, bias or modules_to_save), which cannot be combined.");
        }

        if (options.CombinationType.Prunes() && adapters.Count > 1 && options.Density is not (>= 0 and <= 1))
            throw new AdapterMergeException($"{options.CombinationType} needs a density from 0 to 1, found {(options.Density is { } density ? Text(density) : "none")}.");
        if (options.SvdClamp is not (null or (> 0 and <= 1)))
            throw new AdapterMergeException("SvdClamp is a quantile: above 0 and at most 1.");
        if (options.SvdRank is < 1 or > ushort.MaxValue)
            throw new AdapterMergeException($"SvdRank is {options.SvdRank}, expected at least 1.");
    }

    private static string Text(double number) => number.ToString(System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>Names the layers that the new adapter has: by the names of the old ones if these mean the same layers, else each by its path.</summary>
    private LoraConfig Targeting(List<string> paths, IReadOnlyList<string> adapters, LoraConfig config)
    {
        var names = adapters.SelectMany(name => Config(name).TargetModules?.Names ?? []).Distinct().ToList();
        var byName = config with { TargetModules = new TargetModules(names) };
        var isSame = names.Count > 0 && !adapters.Any(name => Config(name).TargetModules?.Pattern is not null)
            && TargetFinder.Find(BaseModel, byName, byName.LayersToTransform, byName.LayersPattern).SequenceEqual(paths);
        return isSame ? byName : config with { TargetModules = new TargetModules(paths), LayersToTransform = null, LayersPattern = null };
    }
}
