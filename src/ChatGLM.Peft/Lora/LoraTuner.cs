using ChatGLM.Models;
using ChatGLM.Peft.Tuners;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.Lora;

/// <summary>Puts LoRA on linear layers and embeddings.</summary>
internal sealed class LoraTuner : ITuner
{
    public IReadOnlyList<string> FindTargets(Module model, PeftConfig config)
    {
        var lora = (LoraConfig)config;
        var paths = TargetFinder.Find(model, lora, lora.LayersToTransform, lora.LayersPattern);
        if (lora.UseDora && paths.FirstOrDefault(path => model.TryGetModule(path, out var module) && module is Embedding) is { } embedding)
            throw new TargetModulesException($"'{embedding}' is an embedding, and use_dora works on linear layers only. Take it out of target_modules, or switch DoRA off.");
        if (paths.FirstOrDefault(path => model.TryGetModule(path, out var module) && module is Embedding { Weight: var table } && !table.DType.IsFloatingPoint()) is { } quantized)
            throw new TargetModulesException($"'{quantized}' is a quantized embedding, which takes no adapter. Take it out of target_modules, or load the base without quantization.");
        return paths;
    }

    public PeftConfig Complete(Module model, PeftConfig config, IReadOnlyList<string> targets) => (LoraConfig)config with
    {
        FanInFanOut = false,
        TargetModules = TargetFinder.Complete(model, config, targets),
    };

    public IAdapter Create(string path, Module layer, PeftConfig config, TorchGenerator generator)
    {
        var lora = (LoraConfig)config;
        var rank = PatternOr(lora, "rank_pattern", lora.RankPattern, path, lora.R);
        var scaling = lora.Scaling(rank, PatternOr(lora, "alpha_pattern", lora.AlphaPattern, path, lora.LoraAlpha));
        RequireModestRank(lora, path, layer, rank);
        return layer is Embedding embedding
            ? CreateForEmbedding(embedding, rank, scaling, lora.InitLoraWeights, generator)
            : CreateForLinear((Linear)layer, rank, scaling, lora, generator);
    }

    /// <summary>An adapter with drawn first values and nothing else.</summary>
    public static LoraAdapter CreatePlain(Module layer, int rank, InitLoraWeights init, TorchGenerator generator) => layer is Embedding embedding
        ? CreateForEmbedding(embedding, rank, 1, init, generator)
        : CreateForLinear((Linear)layer, rank, 1, new LoraConfig { InitLoraWeights = init }, generator);

    public Module Wrap(Module layer, PreTrainedModel model) => layer switch
    {
        Embedding embedding => new LoraEmbedding(embedding),
        Linear linear => new LoraLinear(linear, model.Generator),
        _ => throw new ArgumentException($"A {layer.GetType().Name} takes no LoRA adapter.", nameof(layer)),
    };

    /// <summary>Draws in peft's order, so that a seed gives the same adapter: both new layers draw their own first values before A is drawn again.</summary>
    private static LoraAdapter CreateForLinear(Linear layer, int rank, float scaling, LoraConfig config, TorchGenerator generator)
    {
        var a = new float[rank * layer.InFeatures];
        var b = new float[layer.OutFeatures * rank];
        Init.Linear(a, [], layer.InFeatures, generator);
        Init.Linear(b, [], rank, generator);
        if (config.InitLoraWeights == InitLoraWeights.Gaussian)
            generator.Normal(a, 0, 1.0 / rank);
        else if (config.InitLoraWeights == InitLoraWeights.Default)
            Init.KaimingUniform(a, layer.InFeatures, Math.Sqrt(5), generator);
        if (config.InitLoraWeights != InitLoraWeights.Random)
            b.AsSpan().Clear();
        using var outliving = TensorScope.Suspend();
        var backend = layer.Weight.Backend;
        var adapter = new LoraAdapter(Tensor.From(a, [rank, layer.InFeatures], backend), Tensor.From(b, [layer.OutFeatures, rank], backend), scaling, config.LoraDropout);
        if (config.UseDora)
            adapter.Magnitude = (layer as LoraLinear ?? new LoraLinear(layer, generator)).RowNorms(adapter);
        return adapter;
    }

    private static LoraAdapter CreateForEmbedding(Embedding layer, int rank, float scaling, InitLoraWeights init, TorchGenerator generator)
    {
        var (count, width) = (layer.Weight.Shape[0], layer.Weight.Shape[1]);
        var a = new float[rank * count];
        var b = new float[width * rank];
        generator.Normal(a);
        generator.Normal(b);
        if (init != InitLoraWeights.Random)
        {
            a.AsSpan().Clear();
            generator.Normal(b);
        }

        using var outliving = TensorScope.Suspend();
        var backend = layer.Weight.Backend;
        return new LoraAdapter(Tensor.From(a, [rank, count], backend), Tensor.From(b, [width, rank], backend), scaling, isEmbedding: true);
    }

    /// <summary>A rank above the layer's own width saves nothing; it is a mistake, or a file that asks for all the memory there is.</summary>
    private static void RequireModestRank(LoraConfig config, string path, Module layer, int rank)
    {
        var (rows, columns) = layer is Embedding embedding ? (embedding.Weight.Shape[0], embedding.Weight.Shape[1]) : (((Linear)layer).OutFeatures, ((Linear)layer).InFeatures);
        var largest = layer is Embedding ? columns : Math.Max(rows, columns);
        if (rank > largest || (long)rank * Math.Max(rows, columns) > Array.MaxLength)
            throw new AdapterConfigException(config.Origin, "r", $"is {rank} for '{path}', whose weight is [{rows}, {columns}]; expected at most {largest}.");
    }

    /// <summary>The value of the first pattern that the end of the path matches.</summary>
    private static T PatternOr<T>(LoraConfig config, string field, IReadOnlyDictionary<string, T> patterns, string path, T fallback)
    {
        foreach (var (pattern, value) in patterns)
        {
            if (new ModulePattern($@"(?:.*\.)?(?:{pattern})", config.Origin, field, pattern).Matches(path))
                return value;
        }

        return fallback;
    }
}
