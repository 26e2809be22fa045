using ChatGLM.Formats;
using ChatGLM.Peft.Files;
using ChatGLM.Peft.Tuners;
using ChatGLM.Tensors;

namespace ChatGLM.Peft;

/// <content>Going back to a checkpoint, and going on from one.</content>
public partial class PeftModel
{
    /// <summary>Reads the weights of a saved adapter into one that is there already. Of AdaLoRA the ranks become those of the file too. Nothing is changed if anything does not fit.</summary>
    /// <param name="folder">A folder that <see cref="SavePretrained"/> or peft wrote, of an adapter with the same options.</param>
    /// <param name="adapterName">The adapter that takes the weights.</param>
    /// <exception cref="AdapterNameException">There is no such adapter.</exception>
    /// <exception cref="AdapterConfigException">The saved configuration is missing, damaged or of another kind.</exception>
    /// <exception cref="AdapterWeightsException">A key is missing or has no place, or a shape is wrong.</exception>
    /// <exception cref="CheckpointException">The weights are missing or damaged.</exception>
    public void RestoreAdapter(string folder, string adapterName = DefaultAdapterName)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        var config = Config(adapterName);
        var saved = PeftConfig.FromPretrained(folder);
        if (saved.PeftType != config.PeftType)
            throw new AdapterConfigException(saved.Origin, "peft_type", $"is {PeftMethod.Of(saved).Name}, and '{adapterName}' is {PeftMethod.Of(config).Name}.");
        config = (_tuners.GetValueOrDefault(adapterName) as IStatefulTuner)?.Restored(config, saved) ?? config;
        Write(adapterName, config, AdapterWeights.Open(folder, saved.BaseModelNameOrPath));
        SetConfig(adapterName, config);
    }

    /// <summary>What training has to know of an adapter to go on, beside what <see cref="SavePretrained"/> writes; nothing for most kinds. Of AdaLoRA: averages, and the ranks that may come back.</summary>
    /// <param name="adapterName">The adapter.</param>
    /// <exception cref="AdapterNameException">There is no such adapter.</exception>
    public IReadOnlyDictionary<string, Tensor> GetTrainingState(string adapterName = DefaultAdapterName)
    {
        var config = Config(adapterName);
        var state = _tuners.GetValueOrDefault(adapterName) is IStatefulTuner tuner ? tuner.TrainingState(config, LayerParameters(adapterName)) : [];
        return state.ToDictionary(s => s.Key, s => s.Tensor, StringComparer.Ordinal);
    }

    /// <summary>Takes over what <see cref="GetTrainingState"/> gave. Nothing is changed if anything does not fit.</summary>
    /// <param name="state">The state.</param>
    /// <param name="adapterName">The adapter.</param>
    /// <exception cref="AdapterNameException">There is no such adapter.</exception>
    /// <exception cref="AdapterWeightsException">Something is missing or of another shape.</exception>
    public void SetTrainingState(IReadOnlyDictionary<string, Tensor> state, string adapterName = DefaultAdapterName)
    {
        ArgumentNullException.ThrowIfNull(state);
        var config = Config(adapterName);
        if (_tuners.GetValueOrDefault(adapterName) is not IStatefulTuner tuner)
            return;
        UnmergeAdapter();
        SetConfig(adapterName, tuner.RestoreTrainingState(config, LayerParameters(adapterName), state));
    }

    private IEnumerable<(string Path, AdapterParameter Parameter)> LayerParameters(string adapterName) => _layers.SelectMany(l => l.Layer.Parameters(adapterName).Select(p => (l.Path, p)));

    private void SetConfig(string adapterName, PeftConfig config) => _adapters[_adapters.FindIndex(a => a.Name == adapterName)] = (adapterName, config);
}
