using ChatGLM.Models;
using ChatGLM.Peft.Tuners;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.Lycoris;

/// <summary>Puts adapters of this family on linear layers.</summary>
internal abstract class LycorisTuner : ITuner
{
    public IReadOnlyList<string> FindTargets(Module model, PeftConfig config) =>
        TargetFinder.FindLinear(model, config, ((LycorisConfig)config).LayersToTransform, ((LycorisConfig)config).LayersPattern);

    public PeftConfig Complete(Module model, PeftConfig config, IReadOnlyList<string> targets) => config with { TargetModules = TargetFinder.Complete(model, config, targets) };

    public IAdapter Create(string path, Module layer, PeftConfig config, TorchGenerator generator)
    {
        var (lycoris, linear) = ((LycorisConfig)config, (Linear)layer);
        var rank = PathPatterns.ValueFor(path, config.Origin, "rank_pattern", lycoris.RankPattern, lycoris.R);
        if (ProblemWith(lycoris, rank, linear) is { } problem)
            throw new AdapterConfigException(config.Origin, "r", $"is {rank} for '{path}', whose weight is [{linear.OutFeatures}, {linear.InFeatures}]; {problem}");
        using var outliving = TensorScope.Suspend();
        return Create(path, linear, lycoris, rank, generator);
    }

    public abstract Module Wrap(Module layer, PreTrainedModel model);

    /// <summary>Makes the adapter of one layer; its tensors belong to no scope.</summary>
    protected abstract LycorisAdapter Create(string path, Linear layer, LycorisConfig config, int rank, TorchGenerator generator);

    /// <summary>Why a rank is none for a layer, or null. A rank above the layer's own width saves nothing; it is a mistake, or a file that asks for all the memory there is.</summary>
    protected virtual string? ProblemWith(LycorisConfig config, int rank, Linear layer)
    {
        var largest = Math.Max(layer.OutFeatures, layer.InFeatures);
        return rank > largest || (long)rank * largest > Array.MaxLength ? $"expected at most {largest}." : null;
    }

    /// <summary>A matrix drawn as peft draws those of this family, <c>kaiming_uniform_(a=sqrt(5))</c>.</summary>
    protected static Tensor Drawn(in Shape shape, TorchGenerator generator, Backend backend)
    {
        var values = new float[shape.ElementCount];
        Init.KaimingUniform(values, checked((int)(shape.ElementCount / shape[0])), Math.Sqrt(5), generator);
        return Tensor.From(values, shape, backend);
    }
}
