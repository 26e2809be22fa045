using ChatGLM.Models;
using ChatGLM.Peft.Tuners;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.Vera;

/// <summary>Puts VeRA on linear layers, and keeps the matrices that they share.</summary>
internal sealed class VeraTuner : ITuner
{
    /// <summary>Ranks up to here are taken for the smallest of layers too.</summary>
    private const int ModestRank = 1024;

    private (int Input, int Result) _widest;
    private VeraProjection? _projection;
    private bool _isSaved;

    public IEnumerable<SharedTensor> Shared => _projection is null ? [] : [new("base_model.vera_A", _projection.A, _isSaved), new("base_model.vera_B", _projection.B, _isSaved)];

    public IReadOnlyList<string> FindTargets(Module model, PeftConfig config) =>
        TargetFinder.FindLinear(model, config, ((VeraConfig)config).LayersToTransform, ((VeraConfig)config).LayersPattern);

    public PeftConfig Complete(Module model, PeftConfig config, IReadOnlyList<string> targets)
    {
        var vera = (VeraConfig)config;
        var layers = model.NamedModules().Where(m => targets.Contains(m.Name)).Select(m => (Linear)m.Module).ToList();
        _widest = (layers.Max(l => l.InFeatures), layers.Max(l => l.OutFeatures));
        var largest = Math.Max(_widest.Input, _widest.Result);
        if (vera.R > Math.Max(ModestRank, largest) || (long)vera.R * largest > Array.MaxLength)
            throw new AdapterConfigException(config.Origin, "r", $"is {vera.R} for layers of up to [{_widest.Result}, {_widest.Input}]; expected at most {Math.Max(ModestRank, largest)}.");
        return vera with { FanInFanOut = false, TargetModules = TargetFinder.Complete(model, config, targets) };
    }

    public IAdapter Create(string path, Module layer, PeftConfig config, TorchGenerator generator)
    {
        var (vera, linear) = ((VeraConfig)config, (Linear)layer);
        var backend = linear.Weight.Backend;
        _isSaved = vera.SaveProjection;
        _projection ??= new VeraProjection(vera.R, _widest.Input, _widest.Result, vera.ProjectionPrngKey, backend);
        var d = new float[vera.R];
        generator.Normal(d);
        if (vera.InitWeights)
            d.AsSpan().Fill((float)vera.DInitial);
        using var outliving = TensorScope.Suspend();
        return new VeraAdapter(
            Tensor.Full([linear.OutFeatures], vera.InitWeights ? 0 : 1, DType.Float32, backend), Tensor.From(d, [vera.R], backend),
            _projection.ForInput(linear.InFeatures), _projection.ForResult(linear.OutFeatures), vera.VeraDropout);
    }

    public Module Wrap(Module layer, PreTrainedModel model) => new VeraLinear((Linear)layer, model.Generator);

    public void SharedChanged() => _projection?.Refresh();

    public void Release()
    {
        _projection?.Free();
        _projection = null;
    }
}
