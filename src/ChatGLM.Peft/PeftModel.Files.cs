using ChatGLM.Formats;
using ChatGLM.Models;
using ChatGLM.Peft.Files;
using ChatGLM.Peft.Prompts;
using ChatGLM.Tensors;

namespace ChatGLM.Peft;

/// <content>Adapters from and to files and state dicts.</content>
public partial class PeftModel
{
    private const string Prefix = "base_model.model.";

    /// <summary>Puts a saved adapter on a model (<c>PeftModel.from_pretrained</c>).</summary>
    /// <param name="model">The base model that it is for.</param>
    /// <param name="folder">A folder with adapter_config.json and adapter_model.safetensors or .bin, written by peft or here.</param>
    /// <param name="adapterName">What to call it.</param>
    /// <param name="isTrainable">Whether it is to be trained on.</param>
    /// <exception cref="AdapterConfigException">adapter_config.json is missing or damaged.</exception>
    /// <exception cref="AdapterWeightsException">The adapter is for another base model, or its files do not belong together.</exception>
    /// <exception cref="CheckpointException">The weights are missing or damaged.</exception>
    public static PeftModelForCausalLM FromPretrained(ChatGLMForConditionalGeneration model, string folder, string adapterName = DefaultAdapterName, bool isTrainable = false) =>
        (PeftModelForCausalLM)FromPretrained((PreTrainedModel)model, folder, adapterName, isTrainable);

    /// <inheritdoc cref="FromPretrained(ChatGLMForConditionalGeneration, string, string, bool)"/>
    public static PeftModelForSequenceClassification FromPretrained(ChatGLMForSequenceClassification model, string folder, string adapterName = DefaultAdapterName, bool isTrainable = false) =>
        (PeftModelForSequenceClassification)FromPretrained((PreTrainedModel)model, folder, adapterName, isTrainable);

    /// <inheritdoc cref="FromPretrained(ChatGLMForConditionalGeneration, string, string, bool)"/>
    public static PeftModel FromPretrained(PreTrainedModel model, string folder, string adapterName = DefaultAdapterName, bool isTrainable = false)
    {
        var peft = Around(model, PeftConfig.FromPretrained(folder));
        peft.LoadAdapter(folder, adapterName, isTrainable);
        peft.SetAdapter(adapterName);
        return peft;
    }

    /// <summary>Adds a saved adapter beside the others. It is not active until <see cref="SetAdapter"/>. A failure leaves the model as it was.</summary>
    /// <inheritdoc cref="FromPretrained(ChatGLMForConditionalGeneration, string, string, bool)" path="/param"/>
    /// <inheritdoc cref="FromPretrained(ChatGLMForConditionalGeneration, string, string, bool)" path="/exception"/>
    public void LoadAdapter(string folder, string adapterName, bool isTrainable = false)
    {
        var config = PeftConfig.FromPretrained(folder) with { InferenceMode = !isTrainable };
        Add(adapterName, config, AdapterWeights.Open(folder, config.BaseModelNameOrPath));
    }

    /// <summary>Writes adapters as peft does: adapter_config.json and adapter_model.safetensors, the adapter called <c>default</c> into the folder itself, others into folders of their
    /// names inside it. The base model is not written.</summary>
    /// <param name="folder">The folder; it is created if need be.</param>
    /// <param name="adapterNames">Which ones; all if none is named.</param>
    /// <exception cref="AdapterNameException">There is no such adapter.</exception>
    public void SavePretrained(string folder, params IReadOnlyList<string> adapterNames)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        foreach (var name in adapterNames.Count > 0 ? adapterNames : [.. _adapters.Select(a => a.Name)])
        {
            var config = Config(name);
            var place = name == DefaultAdapterName ? folder : Path.Combine(folder, name);
            Directory.CreateDirectory(place);
            Safetensors.SaveFile(GetPeftModelStateDict(name), Path.Combine(place, AdapterWeights.FileNames[0]));
            // What is saved is saved to be used; whoever trains on says so when loading.
            (config with { InferenceMode = true }).SavePretrained(place);
        }
    }

    /// <summary>The parameters of an adapter under the keys that they have in a file, such as <c>base_model.model.transformer.layers.0.attention.query_key_value.lora_A.weight</c>;
    /// trained biases and <see cref="PeftConfig.ModulesToSave"/> among them. They are the model's own, not copies. Virtual tokens are one tensor, <c>prompt_embeddings</c>; where a network
    /// makes them, it is what the network makes now.</summary>
    /// <param name="adapterName">The adapter.</param>
    /// <exception cref="AdapterNameException">There is no such adapter.</exception>
    public IReadOnlyDictionary<string, Tensor> GetPeftModelStateDict(string adapterName = DefaultAdapterName)
    {
        var config = Config(adapterName);
        if (_prompts.Find(adapterName) is IPromptEncoder prompt)
            return Saved(adapterName).Append((PromptKey, prompt.Compute())).ToDictionary(p => p.Item1, p => p.Item2, StringComparer.Ordinal);
        return Places(adapterName).Concat(BiasPlaces(adapterName, config)).DistinctBy(p => p.Key).ToDictionary(p => p.Key, p => p.Tensor, StringComparer.Ordinal);
    }

    /// <summary>Copies values into the parameters of an adapter. Nothing is changed if anything does not fit.</summary>
    /// <param name="state">Values by the keys of <see cref="GetPeftModelStateDict"/>.</param>
    /// <param name="adapterName">The adapter.</param>
    /// <exception cref="AdapterNameException">There is no such adapter.</exception>
    /// <exception cref="AdapterWeightsException">A key is missing or has no place, or a shape is wrong.</exception>
    public void SetPeftModelStateDict(IReadOnlyDictionary<string, Tensor> state, string adapterName = DefaultAdapterName)
    {
        ArgumentNullException.ThrowIfNull(state);
        var config = Config(adapterName);
        if (_prompts.Find(adapterName) is IPromptEncoder { Stored: null })
            throw new AdapterWeightsException("The state dict", $"it holds the virtual tokens of '{adapterName}', which a network makes: its weights do not follow from them. Nothing was changed.");
        UnmergeAdapter();
        new AdapterWeights("The state dict", null, state).Match(Places(adapterName), BiasPlaces(adapterName, config)).Apply();
    }

    private IEnumerable<(string Key, Tensor Tensor)> Places(string adapterName) =>
        _layers.SelectMany(l => l.Layer.Parameters(adapterName).Select(p => ($"{Prefix}{l.Path}.{p.FileKey}", p.Tensor)))
            .Concat(_prompts.Find(adapterName) is IPromptEncoder { Stored: { } stored } ? [(PromptKey, stored)] : [])
            .Concat(Saved(adapterName))
            .Concat(_tuners.TryGetValue(adapterName, out var tuner) ? tuner.Shared : []);

    private IEnumerable<(string Key, Tensor Tensor)> Saved(string adapterName)
    {
        var prefix = _prompts.Find(adapterName) is null ? Prefix : PromptPrefix;
        return _saved.Parameters(adapterName).Select(p => (prefix + p.Name, p.Tensor));
    }

    private IEnumerable<(string Key, Tensor Tensor)> BiasPlaces(string adapterName, PeftConfig config) =>
        Biases(config, _layers.Where(l => l.Layer.Adapters.Contains(adapterName)).Select(l => l.Path)).Select(b => (Prefix + b.Name, b.Bias));
}
