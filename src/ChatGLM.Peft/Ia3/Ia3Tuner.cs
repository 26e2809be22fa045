using ChatGLM.Models;
using ChatGLM.Peft.Tuners;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.Ia3;

/// <summary>Puts (IA)³ on linear layers.</summary>
internal sealed class Ia3Tuner : ITuner
{
    private const string Feedforward = "dense_4h_to_h";
    private static readonly string[] DefaultTargets = ["query_key_value", Feedforward];

    public IReadOnlyList<string> FindTargets(Module model, PeftConfig config) => TargetFinder.FindLinear(model, config, defaults: DefaultTargets);

    public PeftConfig Complete(Module model, PeftConfig config, IReadOnlyList<string> targets)
    {
        var ia3 = (Ia3Config)config;
        return ia3 with
        {
            FanInFanOut = false,
            TargetModules = TargetFinder.Complete(model, config, targets),
            FeedforwardModules = ia3.FeedforwardModules ?? new TargetModules(targets.Any(path => path.EndsWith(Feedforward, StringComparison.Ordinal)) ? [Feedforward] : Array.Empty<string>()),
        };
    }

    public IAdapter Create(string path, Module layer, PeftConfig config, TorchGenerator generator)
    {
        var (ia3, linear) = ((Ia3Config)config, (Linear)layer);
        var isFeedforward = IsFeedforward(ia3, path);
        var values = new float[isFeedforward ? linear.InFeatures : linear.OutFeatures];
        generator.Normal(values);
        if (ia3.InitIa3Weights)
            values.AsSpan().Fill(1);
        using var outliving = TensorScope.Suspend();
        return new Ia3Adapter(Tensor.From(values, isFeedforward ? [1, values.Length] : [values.Length, 1], linear.Weight.Backend), isFeedforward);
    }

    public Module Wrap(Module layer, PreTrainedModel model) => new Ia3Linear((Linear)layer);

    /// <summary>As in peft a name is the end of the path, not necessarily after a point.</summary>
    private static bool IsFeedforward(Ia3Config config, string path) => config.FeedforwardModules is { Pattern: { } pattern }
        ? new ModulePattern(pattern, config.Origin, "feedforward_modules", pattern).Matches(path)
        : config.FeedforwardModules?.Any(name => path.EndsWith(name, StringComparison.Ordinal)) == true;
}
