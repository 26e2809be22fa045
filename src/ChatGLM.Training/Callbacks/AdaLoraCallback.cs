using ChatGLM.Peft;

namespace ChatGLM.Training;

/// <summary>Lets the AdaLoRA adapters of a model take ranks away while they are trained: calls <see cref="PeftModel.UpdateAndAllocate"/> in every optimizer step.</summary>
/// <param name="model">The model that is trained.</param>
/// <example><code>
/// var peft = model.GetPeftModel(new AdaLoraConfig { InitR = 12, TargetR = 8, Tinit = 200, Tfinal = 1000, DeltaT = 10, TotalStep = 3000 });
/// var trainer = new Trainer(peft, new TrainingArguments { MaxSteps = 3000 }, rows, options: new() { Callbacks = [new AdaLoraCallback(peft)] });
/// </code></example>
public sealed class AdaLoraCallback(PeftModel model) : TrainerCallback
{
    private readonly PeftModel _model = model ?? throw new ArgumentNullException(nameof(model));

    /// <inheritdoc/>
    /// <exception cref="TrainingArgumentsException">An adapter's schedule is not that of the run.</exception>
    public override void OnTrainBegin(TrainerContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        var steps = context.State.MaxSteps;
        foreach (var config in _model.ActiveAdapters.Select(name => _model.PeftConfigs[name]).OfType<AdaLoraConfig>())
        {
            if (!config.InferenceMode && config.TotalStep != steps)
                throw new TrainingArgumentsException("total_step", $"the AdaLoRA adapter has {config.TotalStep?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "none"}, and the run has {steps} optimizer steps. Set AdaLoraConfig.TotalStep to {steps}.");
        }
    }

    /// <inheritdoc/>
    public override void OnOptimizerStep(TrainerContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        _model.UpdateAndAllocate(context.State.GlobalStep + 1, (float)context.GradientScale);
    }
}
