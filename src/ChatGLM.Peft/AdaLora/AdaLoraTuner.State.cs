using ChatGLM.Peft.Tuners;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.AdaLora;

/// <content>What a checkpoint of a training has to remember: the file of the adapter lacks the ranks that were taken away, though until the last decision they may come back.</content>
internal sealed partial class AdaLoraTuner
{
    private const string Sensitivity = ".sensitivity";
    private const string Change = ".change";
    private const string Kept = ".kept";

    public PeftConfig Restored(PeftConfig config, PeftConfig saved) => (AdaLoraConfig)config with { RankPattern = ((AdaLoraConfig)saved).RankPattern };

    public IEnumerable<(string Key, Tensor Tensor)> TrainingState(PeftConfig config, IEnumerable<(string Path, AdapterParameter Parameter)> parameters)
    {
        foreach (var (path, parameter) in parameters)
        {
            var key = $"{path}.{parameter.FileKey}";
            yield return (key, parameter.Tensor);
            if (Allocator[parameter.Tensor] is { } importance)
            {
                yield return (key + Sensitivity, Tensor.From(importance.Sensitivity, parameter.Tensor.Shape));
                yield return (key + Change, Tensor.From(importance.Changes, parameter.Tensor.Shape));
            }

            if (parameter.Kind == "lora_E" && ((AdaLoraConfig)config).PatternOf(path) is { } pattern)
                yield return (key + Kept, Tensor.From(pattern.Select(kept => kept ? 1f : 0f).ToArray(), [pattern.Count]));
        }
    }

    public PeftConfig RestoreTrainingState(PeftConfig config, IEnumerable<(string Path, AdapterParameter Parameter)> parameters, IReadOnlyDictionary<string, Tensor> state)
    {
        var all = parameters.Select(p => (p.Path, p.Parameter.Tensor, Key: $"{p.Path}.{p.Parameter.FileKey}")).ToList();
        foreach (var (_, tensor, key) in all)
        {
            foreach (var suffix in new[] { "", Sensitivity, Change })
            {
                if (state.TryGetValue(key + suffix, out var given) ? given.Shape != tensor.Shape || given.DType != DType.Float32 : suffix.Length == 0)
                    throw new AdapterWeightsException("The training state", $"'{key + suffix}' is missing or of another shape than {tensor.Shape}. Nothing was changed.");
            }
        }

        using var noGrad = GradMode.NoGrad();
        var pattern = new Dictionary<string, IReadOnlyList<bool>>(StringComparer.Ordinal);
        foreach (var (path, tensor, key) in all)
        {
            tensor.Backend.WriteSlice(tensor, state[key], 0, 0);
            Allocator[tensor] = state.TryGetValue(key + Sensitivity, out var sensitivity) && state.TryGetValue(key + Change, out var change)
                ? new Importance(sensitivity.ToArray<float>(), change.ToArray<float>())
                : null;
            if (state.TryGetValue(key + Kept, out var kept))
                pattern[key] = kept.ToArray<float>().Select(value => value != 0).ToArray();
        }

        return (AdaLoraConfig)config with { RankPattern = pattern.Count > 0 ? pattern : null };
    }
}
