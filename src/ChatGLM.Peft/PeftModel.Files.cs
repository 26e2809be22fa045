using ChatGLM.Formats;
using ChatGLM.Models;
using ChatGLM.Peft.Files;
using ChatGLM.Peft.Lora;
using ChatGLM.Peft.Prompts;
using ChatGLM.Peft.Tuners;
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
            using var scope = new TensorScope();
            Save(folder, name, Config(name), GetPeftModelStateDict(name));
        }
    }

    /// <summary>
    /// Writes adapters whose first values were taken out of the base's weights (PiSSA, OLoRA) as plain ones of twice the rank, which go on the base as it is, beside others (in peft
    /// <c>save_pretrained(path_initial_model_for_weight_conversion=...)</c>; the first values are known here). Others are written as they are.
    /// </summary>
    /// <param name="folder">The folder; it is created if need be.</param>
    /// <param name="adapterNames">Which ones; all if none is named.</param>
    /// <exception cref="AdapterNameException">There is no such adapter.</exception>
    /// <exception cref="AdapterConfigException">An adapter has no plain form: one of LoftQ or DoRA, or one whose configuration could not say its scaling (use_rslora with patterns).</exception>
    public void SavePretrainedAsLora(string folder, params IReadOnlyList<string> adapterNames)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        var names = adapterNames.Count > 0 ? adapterNames : [.. _adapters.Select(a => a.Name)];
        var configs = names.Select(name => Config(name) is LoraConfig { ChangesBase: true } lora ? PlainLora.Config(lora) : Config(name)).ToList();
        for (var i = 0; i < names.Count; i++)
        {
            using var scope = new TensorScope();
            var state = GetPeftModelStateDict(names[i]);
            Save(folder, names[i], configs[i], configs[i] == Config(names[i]) ? state : PlainLora.State(state, Prefix, _layers, names[i]));
        }
    }

    /// <summary>The parameters of an adapter under the keys that they have in a file, such as <c>base_model.model.transformer.layers.0.attention.query_key_value.lora_A.weight</c>;
    /// trained biases and <see cref="PeftConfig.ModulesToSave"/> among them. They are the model's own, not copies, but for AdaLoRA, whose file lacks the ranks that were taken away. Virtual
    /// tokens are one tensor, <c>prompt_embeddings</c>; where a network makes them, it is what the network makes now.</summary>
    /// <param name="adapterName">The adapter.</param>
    /// <exception cref="AdapterNameException">There is no such adapter.</exception>
    public IReadOnlyDictionary<string, Tensor> GetPeftModelStateDict(string adapterName = DefaultAdapterName)
    {
        var config = Config(adapterName);
        if (_prompts.Find(adapterName) is IPromptEncoder prompt)
            return Saved(adapterName).Append((PromptKey, prompt.Compute())).ToDictionary(p => p.Item1, p => p.Item2, StringComparer.Ordinal);
        var tuner = _tuners.GetValueOrDefault(adapterName);
        return LayerPlaces(adapterName).Select(p => (p.Key, Tensor: tuner is null ? p.Parameter.Tensor : tuner.ToFile(config, p.Path, p.Parameter)))
            .Concat(OtherPlaces(adapterName)).Concat(BiasPlaces(adapterName, config)).DistinctBy(p => p.Key).ToDictionary(p => p.Key, p => p.Tensor, StringComparer.Ordinal);
    }

    /// <summary>Copies values into the parameters of an adapter. Nothing is changed if anything does not fit.</summary>
    /// <param name="state">Values by the keys of <see cref="GetPeftModelStateDict"/>.</param>
    /// <param name="adapterName">The adapter.</param>
    /// <exception cref="AdapterNameException">There is no such adapter.</exception>
    /// <exception cref="AdapterWeightsException">A key is missing or has no place, or a shape is wrong.</exception>
    public void SetPeftModelStateDict(IReadOnlyDictionary<string, Tensor> state, string adapterName = DefaultAdapterName)
    {
        ArgumentNullException.ThrowIfNull(state);
        Write(adapterName, Config(adapterName), new AdapterWeights("The state dict", null, state));
    }

    private void Write(string adapterName, PeftConfig config, AdapterWeights weights)
    {
        if (_prompts.Find(adapterName) is IPromptEncoder { Stored: null })
            throw new AdapterWeightsException("The state dict", $"it holds the virtual tokens of '{adapterName}', which a network makes: its weights do not follow from them. Nothing was changed.");
        UnmergeAdapter();
        var tuner = _tuners.GetValueOrDefault(adapterName);
        using var scope = new TensorScope();
        foreach (var (key, path, place) in tuner is null ? [] : LayerPlaces(adapterName))
            weights.Change(key, given => tuner!.FromFile(config, path, place, given));
        var places = LayerPlaces(adapterName).Select(p => (p.Key, p.Parameter.Tensor)).Concat(OtherPlaces(adapterName));
        var optional = BiasPlaces(adapterName, config).Concat(tuner is null ? [] : Shared(tuner, saved: false));
        weights.Match(places, optional).Apply();
        tuner?.SharedChanged();
    }

    private static void Save(string folder, string name, PeftConfig config, IReadOnlyDictionary<string, Tensor> state)
    {
        var place = name == DefaultAdapterName ? folder : Path.Combine(folder, name);
        Directory.CreateDirectory(place);
        Safetensors.SaveFile(state, Path.Combine(place, AdapterWeights.FileNames[0]));
        // What is saved is saved to be used; whoever trains on says so when loading.
        (config with { InferenceMode = true }).SavePretrained(place);
    }

    private IEnumerable<(string Key, string Path, AdapterParameter Parameter)> LayerPlaces(string adapterName) =>
        _layers.SelectMany(l => l.Layer.Parameters(adapterName).Select(p => ($"{Prefix}{l.Path}.{p.FileKey}", l.Path, p)));

    private IEnumerable<(string Key, Tensor Tensor)> OtherPlaces(string adapterName) =>
        (_prompts.Find(adapterName) is IPromptEncoder { Stored: { } stored } ? [(PromptKey, stored)] : Array.Empty<(string, Tensor)>())
            .Concat(Saved(adapterName))
            .Concat(_tuners.TryGetValue(adapterName, out var tuner) ? Shared(tuner, saved: true) : []);

    private IEnumerable<(string Key, Tensor Tensor)> Saved(string adapterName)
    {
        var prefix = _prompts.Find(adapterName) is null ? Prefix : PromptPrefix;
        return _saved.Parameters(adapterName).Select(p => (prefix + p.Name, p.Tensor));
    }

    private IEnumerable<(string Key, Tensor Tensor)> BiasPlaces(string adapterName, PeftConfig config) =>
        Biases(config, _layers.Where(l => l.Layer.Adapters.Contains(adapterName)).Select(l => l.Path)).Select(b => (Prefix + b.Name, b.Bias));
}
