using ChatGLM.Peft.AdaLora;

namespace ChatGLM.Peft;

/// <content>AdaLoRA's part in training.</content>
public partial class PeftModel
{
    /// <summary>Lets the active AdaLoRA adapters take ranks away by what the gradients of this step say (<c>update_and_allocate</c>). Call it in every training step after the optimizer's step
    /// and before the gradients are forgotten; <c>AdaLoraCallback</c> of ChatGLM.Training does so.</summary>
    /// <param name="globalStep">The optimizer step that was just taken; the first is 1.</param>
    /// <param name="gradientScale">What the optimizer multiplied the gradients by, if it clips them itself: in Python they are clipped where they lie.</param>
    /// <exception cref="AdapterConfigException">No active adapter is an AdaLoRA that is trained, its <see cref="AdaLoraConfig.TotalStep"/> is not set, or its target rank is
    /// above the initial one.</exception>
    /// <exception cref="AdapterMergeException">There are no gradients.</exception>
    public void UpdateAndAllocate(int globalStep, float gradientScale = 1)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(globalStep);
        var trained = _active.Where(name => Config(name) is AdaLoraConfig { InferenceMode: false }).ToList();
        if (trained.Count == 0)
            throw new AdapterConfigException("The model", "peft_type", "is not ADALORA, or its active adapters are not trained: there are no ranks to allocate.");
        UnmergeAdapter();
        foreach (var name in trained)
        {
            var config = (AdaLoraConfig)Config(name);
            var total = config.TotalStep ?? throw new AdapterConfigException(config.Origin, "total_step", "is not set. AdaLoRA has to know how many optimizer steps the training has.");
            if (config.TargetR > config.InitR)
                throw new AdapterConfigException(config.Origin, "target_r", $"is {config.TargetR}, more than init_r, {config.InitR}: ranks are taken away, not added.");
            var layers = _layers.Select(l => (l.Path, Adapter: (l.Layer as AdaLoraLinear)?.Find(name)!)).Where(l => l.Adapter is not null).ToList();
            if (((AdaLoraTuner)_tuners[name]).Allocator.Update(config, total, layers, globalStep, gradientScale) is { } pattern)
                SetConfig(name, config with { RankPattern = pattern });
        }
    }
}
