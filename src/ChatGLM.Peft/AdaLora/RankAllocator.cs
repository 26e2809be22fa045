using ChatGLM.Tensors;

namespace ChatGLM.Peft.AdaLora;

/// <summary>
/// Divides a budget of ranks, which shrinks with the cube of the steps that are left, among the layers by importance (<c>RankAllocator</c> in peft): ranks that matter least get the singular
/// value 0. Until the end they may come back, since their values are trained on.
/// </summary>
internal sealed class RankAllocator
{
    private readonly Dictionary<Tensor, Importance> _importance = new(ReferenceEqualityComparer.Instance);

    /// <summary>What is known of a parameter; null before the first step and after the last decision.</summary>
    public Importance? this[Tensor parameter]
    {
        get => _importance.GetValueOrDefault(parameter);
        set
        {
            if (value is null)
                _importance.Remove(parameter);
            else
                _importance[parameter] = value;
        }
    }

    /// <summary>To be called after an optimizer step, while the gradients are there.</summary>
    /// <param name="config">The schedule.</param>
    /// <param name="totalStep">The steps of the whole training.</param>
    /// <param name="layers">The adapter's layers.</param>
    /// <param name="step">The step that was taken; the first is 1.</param>
    /// <param name="gradientScale">What the optimizer multiplied the gradients by.</param>
    /// <returns>Which ranks are left, by <c>{path}.lora_E</c>; null where no decision was due.</returns>
    public IReadOnlyDictionary<string, IReadOnlyList<bool>>? Update(
        AdaLoraConfig config, int totalStep, IReadOnlyList<(string Path, AdaLoraAdapter Adapter)> layers, int step, float gradientScale)
    {
        var last = totalStep - config.Tfinal;
        if (step > last)
        {
            Hold(config, layers);
            return null;
        }

        if (step < last)
            Observe(config, layers, gradientScale);
        var initial = layers.Sum(l => l.Adapter.Rank);
        var (budget, isDue) = Budget(config, last, initial, config.TargetR * layers.Count, step);
        if (!isDue && step < last)
            return null;
        var pattern = Decide(layers, initial - budget);
        if (step == last)
            _importance.Clear();
        return pattern;
    }

    /// <summary>How many ranks there may be after a step, and whether the step is one at which it is decided.</summary>
    internal static (int Budget, bool IsDue) Budget(AdaLoraConfig config, int last, int initial, int target, int step)
    {
        if (step <= config.Tinit)
            return (initial, false);
        var left = 1 - ((double)(step - config.Tinit) / (last - config.Tinit));
        return ((int)(((initial - target) * Math.Pow(left, 3)) + target), step % config.DeltaT == 0);
    }

    private void Observe(AdaLoraConfig config, IReadOnlyList<(string Path, AdaLoraAdapter Adapter)> layers, float gradientScale)
    {
        var parameters = layers.SelectMany(l => new[] { l.Adapter.A, l.Adapter.E, l.Adapter.B }).ToList();
        if (parameters.Exists(p => p.Grad is null))
            throw new AdapterMergeException("AdaLoRA cannot say what matters without gradients: call UpdateAndAllocate after Backward and the optimizer's step, and before ZeroGrad.");
        foreach (var parameter in parameters)
        {
            if (!_importance.TryGetValue(parameter, out var importance))
                _importance.Add(parameter, importance = new Importance(checked((int)parameter.ElementCount)));
            importance.Update(parameter, gradientScale, config.Beta1, config.Beta2);
        }
    }

    /// <summary>Sets the singular values of the least important ranks to 0.</summary>
    private Dictionary<string, IReadOnlyList<bool>> Decide(IReadOnlyList<(string Path, AdaLoraAdapter Adapter)> layers, int excess)
    {
        var scores = layers.Select(l => Scores(l.Adapter)).ToArray();
        var threshold = excess <= 0 ? float.NegativeInfinity : scores.SelectMany(s => s).Order().ElementAt(excess - 1);
        var pattern = new Dictionary<string, IReadOnlyList<bool>>(StringComparer.Ordinal);
        for (var i = 0; i < layers.Count; i++)
        {
            var kept = Array.ConvertAll(scores[i], score => score > threshold);
            Mask(layers[i].Adapter.E, kept);
            pattern.Add(layers[i].Path + ".lora_E", kept);
        }

        return pattern;
    }

    /// <summary>The importance of each rank: that of its singular value, and the means of those of its vectors.</summary>
    private float[] Scores(AdaLoraAdapter adapter)
    {
        var scores = new float[adapter.Rank];
        if (!_importance.TryGetValue(adapter.E, out var e))
            return scores;
        var (a, b, inFeatures, outFeatures) = (_importance[adapter.A], _importance[adapter.B], adapter.A.Shape[1], adapter.B.Shape[0]);
        for (var rank = 0; rank < scores.Length; rank++)
            scores[rank] = e[rank] + (a.Mean(rank * inFeatures, 1, inFeatures) + b.Mean(rank, scores.Length, outFeatures));
        return scores;
    }

    /// <summary>After the last decision what is gone stays gone, though the optimizer still moves it.</summary>
    private static void Hold(AdaLoraConfig config, IReadOnlyList<(string Path, AdaLoraAdapter Adapter)> layers)
    {
        foreach (var (path, adapter) in layers)
        {
            if (config.PatternOf(path) is { } kept && kept.Count == adapter.Rank)
                Mask(adapter.E, kept);
        }
    }

    private static void Mask(Tensor e, IReadOnlyList<bool> kept)
    {
        using var scope = new TensorScope();
        var values = e.ToArray<float>();
        for (var i = 0; i < values.Length; i++)
            values[i] = kept[i] ? values[i] : 0;
        e.Backend.WriteSlice(e, Tensor.From(values, e.Shape, e.Backend), 0, 0);
    }
}
