using ChatGLM.Models;
using ChatGLM.Peft.Prompts;
using ChatGLM.Peft.Tuners;
using ChatGLM.Tensors;

namespace ChatGLM.Peft;

/// <summary>
/// A base model with adapters (<c>peft.PeftModel</c>). The adapters stand inside the base model, so that whatever is called on it goes through them too. Its parameters have Python's names,
/// such as <c>base_model.model.transformer.layers.0.attention.query_key_value.lora_A.default.weight</c>. Disposing it disposes the base model: they are one.
/// </summary>
/// <remarks>For one thread at a time while adapters are changed; forward passes in between may run on several.</remarks>
public partial class PeftModel : Module
{
    /// <summary>The name of an adapter that is given none.</summary>
    public const string DefaultAdapterName = "default";

    private readonly List<(string Name, PeftConfig Config)> _adapters = [];
    private readonly Dictionary<string, ITuner> _tuners = new(StringComparer.Ordinal);
    private readonly SavedModules _saved;
    private readonly PromptAdapters _prompts;
    private List<(string Path, ITunerLayer Layer)> _layers = [];
    private IReadOnlyList<string> _active = [];
    private IReadOnlyList<string> _merged = [];
    private int _disabled;

    private protected PeftModel(PreTrainedModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (model.NamedModules().Any(m => m.Module is ITunerLayer) || model.SoftPrompt is IPromptEncoder)
            throw new TargetModulesException("The model has adapters already. Use AddAdapter or LoadAdapter of the PeftModel that it belongs to, or Unload them first.");
        BaseModel = model;
        _saved = new SavedModules(model);
        _prompts = new PromptAdapters(model);
        Child("base_model", new Tuner(model));
        Child("prompt_encoder", _prompts);
    }

    /// <summary>The model that the adapters stand in.</summary>
    public PreTrainedModel BaseModel { get; }

    /// <summary>The adapters by name, in the order in which they were added.</summary>
    public IReadOnlyDictionary<string, PeftConfig> PeftConfigs => _adapters.ToDictionary(a => a.Name, a => a.Config, StringComparer.Ordinal);

    /// <summary>The adapters that take part.</summary>
    public IReadOnlyList<string> ActiveAdapters => _active;

    /// <summary>The adapters that are merged into the weights now.</summary>
    public IReadOnlyList<string> MergedAdapters => _merged;

    /// <summary>Whether the adapters are switched off by <see cref="DisableAdapter"/>.</summary>
    public bool IsDisabled => _disabled > 0;

    /// <summary>Puts an adapter on a model and freezes the model's own parameters (<c>get_peft_model</c>).</summary>
    internal static PeftModel Create(PreTrainedModel model, PeftConfig config, string adapterName)
    {
        var peft = Around(model, config);
        peft.Add(adapterName, config, weights: null);
        peft.SetAdapter(adapterName);
        return peft;
    }

    /// <summary>The class for a model and what it is to be used for.</summary>
    private static PeftModel Around(PreTrainedModel model, PeftConfig config) => model switch
    {
        ChatGLMForConditionalGeneration answering when config?.TaskType == TaskType.Seq2SeqLM => new PeftModelForSeq2SeqLM(answering),
        ChatGLMForConditionalGeneration answering => new PeftModelForCausalLM(answering),
        ChatGLMForSequenceClassification classifier => new PeftModelForSequenceClassification(classifier),
        _ => new PeftModel(model),
    };

    /// <summary>Scores every position, and computes the loss if labels are given, through the active adapters.</summary>
    /// <param name="inputs">Ids, and optionally masks, positions, labels and a cache.</param>
    /// <returns>The scores. As in peft the loss includes what an adapter that is trained adds to it, as AdaLoRA does.</returns>
    public ModelOutput Forward(ModelInputs inputs)
    {
        var output = BaseModel.Forward(inputs);
        if (output.Loss is not { } loss || IsDisabled)
            return output;
        foreach (var name in _active)
        {
            if (Config(name) is { InferenceMode: false } config && _tuners.GetValueOrDefault(name)?.ExtraLoss(config, _layers.SelectMany(l => l.Layer.Parameters(name))) is { } extra)
                loss = Functional.Add(loss, extra);
        }

        return ReferenceEquals(loss, output.Loss) ? output : output.WithLoss(loss);
    }

    /// <summary>Adds an adapter with first values of its own. It is not active until <see cref="SetAdapter"/>. A failure leaves the model as it was.</summary>
    /// <param name="adapterName">A new name, without points and slashes.</param>
    /// <param name="config">What to add.</param>
    /// <exception cref="AdapterNameException">There is an adapter of this name, or it cannot be a name.</exception>
    /// <exception cref="AdapterConfigException">The configuration holds values that no adapter can have.</exception>
    /// <exception cref="TargetModulesException">No module matches, or one that takes no adapter.</exception>
    public void AddAdapter(string adapterName, PeftConfig config) => Add(adapterName, config, weights: null);

    /// <summary>Makes adapters the ones that take part, and the only ones that are trained. Merged ones are unmerged first.</summary>
    /// <param name="adapterNames">One adapter, or several whose changes add up.</param>
    /// <exception cref="AdapterNameException">There is no such adapter.</exception>
    public void SetAdapter(params IReadOnlyList<string> adapterNames)
    {
        ArgumentNullException.ThrowIfNull(adapterNames);
        foreach (var name in adapterNames)
            Config(name);
        if (_saved.Conflict(adapterNames) is { } path)
            throw new TargetModulesException($"The adapters {PeftException.List(adapterNames)} have each trained their own '{path}' (modules_to_save): only one of them can be active.");
        if (_prompts.Conflict(adapterNames) is var (first, second))
            throw new AdapterNameException(second, $"puts virtual tokens before the text, as '{first}' does, and there is room for one: only one of them can be active.");
        UnmergeAdapter();
        Activate([.. adapterNames.Distinct()]);
    }

    /// <summary>Removes an adapter. If it was the only active one, the first of the others becomes active. Biases that it has trained stay in the base model.</summary>
    /// <exception cref="AdapterNameException">There is no such adapter.</exception>
    public void DeleteAdapter(string adapterName)
    {
        Config(adapterName);
        UnmergeAdapter();
        _adapters.RemoveAll(a => a.Name == adapterName);
        var left = _active.Where(name => name != adapterName).ToList();
        if (left.Count == 0 && _adapters.Count > 0)
            left.Add(_adapters[0].Name);
        Activate(left);
        foreach (var (path, layer) in _layers.ToList())
        {
            layer.Delete(adapterName);
            if (!layer.Adapters.Any())
                RemoveLayer(path, layer);
        }

        _saved.Delete(adapterName);
        _prompts.Delete(adapterName);
        ReleaseTuner(adapterName);
    }

    /// <summary>Switches the adapters off until the result is disposed, merged ones and <see cref="PeftConfig.ModulesToSave"/> too. As in peft, trained biases stay on: they are the
    /// base model's own.</summary>
    public AdapterScope DisableAdapter()
    {
        _disabled++;
        _layers.ForEach(l => l.Layer.Enable(false));
        _saved.Activate([]);
        _prompts.Activate([]);
        return new AdapterScope(this);
    }

    /// <summary>Counts the parameters of base and adapters. A quantized weight counts as the one that it stands for.</summary>
    public TrainableParameters CountParameters()
    {
        long trainable = 0, all = _saved.Aside.Sum(t => t.ElementCount);
        foreach (var (_, parameter) in NamedParameters())
        {
            all += parameter.ElementCount;
            trainable += parameter.RequiresGrad ? parameter.ElementCount : 0;
        }

        foreach (var (_, module) in BaseModel.NamedModules())
        {
            if (module is Linear { Weight: not DenseWeight and var weight })
                all += ((long)weight.OutFeatures * weight.InFeatures) - weight.Tensors.Sum(t => t.Tensor.ElementCount);
        }

        return new TrainableParameters(trainable, all);
    }

    /// <summary>Writes how many parameters are trained, as peft does.</summary>
    /// <param name="writer">Where to; the console if null.</param>
    public void PrintTrainableParameters(TextWriter? writer = null) => (writer ?? Console.Out).WriteLine(CountParameters().ToString());

    internal void EndDisable()
    {
        if (--_disabled > 0)
            return;
        _layers.ForEach(l => l.Layer.Enable(true));
        _saved.Activate(_active);
        _prompts.Activate(_active);
    }

    /// <inheritdoc/>
    protected override void OnMoving() => UnmergeAdapter();

    /// <inheritdoc/>
    protected override void OnMoved(Backend backend)
    {
        foreach (var tensor in _saved.Aside)
            tensor.MoveTo(backend);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            UnmergeAdapter();
            foreach (var tensor in _saved.Aside.ToList())
                tensor.Dispose();
            foreach (var name in _tuners.Keys.ToList())
                ReleaseTuner(name);
            BaseModel.Dispose();
        }

        base.Dispose(disposing);
    }

    /// <summary>The configuration of an adapter.</summary>
    private PeftConfig Config(string adapterName)
    {
        ArgumentNullException.ThrowIfNull(adapterName);
        return _adapters.Find(a => a.Name == adapterName).Config ?? throw AdapterNameException.Unknown(adapterName, _adapters.Select(a => a.Name));
    }

    private void Activate(IReadOnlyList<string> adapters)
    {
        // First, because the model may refuse it: it may have been given a prefix of its own since.
        _prompts.Activate(IsDisabled ? [] : adapters);
        _active = adapters;
        _layers.ForEach(l => l.Layer.Activate(adapters));
        _saved.Activate(IsDisabled ? [] : adapters);
        // Only what is active is trained; a frozen parameter costs neither a gradient nor what its gradient would need.
        BaseModel.RequiresGrad(false);
        foreach (var (name, config) in _adapters)
        {
            var isTrained = adapters.Contains(name) && !config.InferenceMode;
            foreach (var tensor in _layers.SelectMany(l => l.Layer.Parameters(name)).Select(p => p.Tensor).Concat(_saved.Parameters(name).Select(p => p.Tensor)))
                tensor.RequiresGrad = isTrained;
            _prompts.Find(name)?.RequiresGrad(isTrained);
            if (!isTrained)
                continue;
            foreach (var (_, bias) in Biases(config, _layers.Where(l => l.Layer.Adapters.Contains(name)).Select(l => l.Path)))
                bias.RequiresGrad = true;
        }
    }

    private void RemoveLayer(string path, ITunerLayer layer)
    {
        BaseModel.ReplaceModule(path, layer.Unload());
        _layers.RemoveAll(l => l.Layer == layer);
    }

    private void ReleaseTuner(string adapterName)
    {
        if (_tuners.Remove(adapterName, out var tuner))
            tuner.Release();
    }

    /// <summary>What Python calls LoraModel: the part of a parameter's name between <c>base_model</c> and the base model's own names.</summary>
    private sealed class Tuner : Module
    {
        public Tuner(PreTrainedModel model) => Child("model", model);
    }
}
