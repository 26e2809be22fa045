using ChatGLM.Models;
using ChatGLM.Peft.Tuners;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.AdaLora;

/// <summary>Puts AdaLoRA on linear layers, adds its term to the loss, and cuts what was taken away out of what is saved.</summary>
internal sealed partial class AdaLoraTuner : IStatefulTuner
{
    /// <summary>Decides which ranks are left, step by step.</summary>
    public RankAllocator Allocator { get; } = new();

    public IReadOnlyList<string> FindTargets(Module model, PeftConfig config) =>
        TargetFinder.FindLinear(model, config, ((AdaLoraConfig)config).LayersToTransform, ((AdaLoraConfig)config).LayersPattern);

    public PeftConfig Complete(Module model, PeftConfig config, IReadOnlyList<string> targets) =>
        (AdaLoraConfig)config with { FanInFanOut = false, TargetModules = TargetFinder.Complete(model, config, targets) };

    /// <summary>Draws in peft's order: standard normal values for all three, one for the number of ranks, then the small ones.</summary>
    public IAdapter Create(string path, Module layer, PeftConfig config, TorchGenerator generator)
    {
        var (ada, linear) = ((AdaLoraConfig)config, (Linear)layer);
        var rank = ada.PatternOf(path)?.Count(kept => kept) ?? ada.InitR;
        var largest = Math.Max(linear.InFeatures, linear.OutFeatures);
        if (rank > largest || (long)rank * largest > Array.MaxLength)
            throw new AdapterConfigException(config.Origin, "init_r", $"is {rank} for '{path}', whose weight is [{linear.OutFeatures}, {linear.InFeatures}]; expected at most {largest}.");
        var (a, e, b) = (new float[rank * linear.InFeatures], new float[rank], new float[linear.OutFeatures * rank]);
        generator.Normal(a);
        generator.Normal(e);
        generator.Normal(b);
        generator.Normal(new float[1]);
        if (ada.InitLoraWeights)
        {
            const double Deviation = 0.02;
            generator.Normal(e, 0, Deviation);
            generator.Normal(a, 0, Deviation);
            generator.Normal(b, 0, Deviation);
        }

        // The scaling is that of the initial rank for good, however many are left, and peft keeps the divisor away from 0.
        var scaling = (float)(ada.LoraAlpha > 0 ? ada.LoraAlpha : ada.InitR) / (ada.InitR + 1e-5f);
        using var outliving = TensorScope.Suspend();
        var backend = linear.Weight.Backend;
        return new AdaLoraAdapter(
            Tensor.From(a, [rank, linear.InFeatures], backend), Tensor.From(e, [rank, 1], backend), Tensor.From(b, [linear.OutFeatures, rank], backend), scaling, ada.LoraDropout);
    }

    public Module Wrap(Module layer, PreTrainedModel model) => new AdaLoraLinear((Linear)layer, model.Generator);

    /// <summary>The mean over all A and B of how far A A^T and B^T B are from the identity (the Frobenius norm), times the weight.</summary>
    public Tensor? ExtraLoss(PeftConfig config, IEnumerable<AdapterParameter> parameters)
    {
        var weight = ((AdaLoraConfig)config).OrthRegWeight;
        if (weight == 0)
            return null;
        var (count, sum) = (0, (Tensor?)null);
        foreach (var (kind, _, matrix) in parameters)
        {
            if (kind is not ("lora_A" or "lora_B"))
                continue;
            count++;
            var rank = matrix.Shape[kind == "lora_A" ? 0 : 1];
            if (rank == 0)
                continue;
            var products = Functional.MatMul(matrix, matrix, transposeA: kind == "lora_B", transposeB: kind == "lora_A");
            var square = Functional.Sum(Functional.Square(Functional.Subtract(products, Identity(rank, matrix.Backend))));
            // The root has no slope at 0, and nothing is to be done there.
            if (square.Item() == 0)
                continue;
            var norm = Functional.Sqrt(square);
            sum = sum is null ? norm : Functional.Add(sum, norm);
        }

        return sum is null ? null : Functional.Affine(sum, (float)(weight / count));
    }

    /// <summary>A parameter without the ranks that were taken away.</summary>
    public Tensor ToFile(PeftConfig config, string path, AdapterParameter parameter)
    {
        var (tensor, backend) = (parameter.Tensor, parameter.Tensor.Backend);
        if (KeptRanks(config, path, parameter) is not { } kept)
            return tensor;
        return parameter.Kind == "lora_B"
            ? backend.Permute(backend.SelectRows(backend.Permute(tensor, [1, 0]), kept), [1, 0])
            : backend.SelectRows(tensor, kept);
    }

    /// <summary>A tensor that <see cref="ToFile"/> has cut, with zeros again where ranks were taken away.</summary>
    public Tensor FromFile(PeftConfig config, string path, AdapterParameter place, Tensor given)
    {
        var backend = given.Backend;
        var ranks = place.Kind == "lora_B" ? 1 : 0;
        if (given.Shape == place.Tensor.Shape || given.Shape.Rank != 2 || KeptRanks(config, path, place) is not { } kept || given.Shape != place.Tensor.Shape.With(ranks, kept.Length))
            return given;
        var whole = Tensor.Zeros(place.Tensor.Shape, given.DType, backend);
        for (var i = 0; i < kept.Length; i++)
            backend.WriteSlice(whole, backend.Slice(given, ranks, i, 1), ranks, kept[i]);
        return whole;
    }

    /// <summary>The ranks that are left in a layer; null if all are, or if the rest is gone already.</summary>
    private static int[]? KeptRanks(PeftConfig config, string path, AdapterParameter parameter)
    {
        if (((AdaLoraConfig)config).PatternOf(path) is not { } pattern || pattern.Count != parameter.Tensor.Shape[parameter.Kind == "lora_B" ? 1 : 0])
            return null;
        var kept = Enumerable.Range(0, pattern.Count).Where(i => pattern[i]).ToArray();
        return kept.Length == pattern.Count ? null : kept;
    }

    private static Tensor Identity(int side, Backend backend)
    {
        var values = new float[side * side];
        for (var i = 0; i < side; i++)
            values[(i * side) + i] = 1;
        return Tensor.From(values, [side, side], backend);
    }
}
