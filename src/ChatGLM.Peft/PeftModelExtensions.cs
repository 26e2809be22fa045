using ChatGLM.Models;

namespace ChatGLM.Peft;

/// <summary>What peft adds to a model.</summary>
public static class PeftModelExtensions
{
    /// <summary>Puts an adapter on a model and freezes the model's own parameters (<c>peft.get_peft_model</c>). A failure leaves the model as it was.</summary>
    /// <param name="model">The base model; the adapter stands inside it from now on.</param>
    /// <param name="config">What to add.</param>
    /// <param name="adapterName">What to call it.</param>
    /// <returns>The class that the model and <see cref="PeftConfig.TaskType"/> call for: a model that answers becomes a <see cref="PeftModelForSeq2SeqLM"/> for <see cref="TaskType.Seq2SeqLM"/>,
    /// else a <see cref="PeftModelForCausalLM"/>.</returns>
    /// <exception cref="AdapterConfigException">The configuration holds values that no adapter can have.</exception>
    /// <exception cref="TargetModulesException">No module matches, or one that takes no adapter.</exception>
    public static PeftModelForCausalLM GetPeftModel(this ChatGLMForConditionalGeneration model, PeftConfig config, string adapterName = PeftModel.DefaultAdapterName) =>
        (PeftModelForCausalLM)PeftModel.Create(model, config, adapterName);

    /// <inheritdoc cref="GetPeftModel(ChatGLMForConditionalGeneration, PeftConfig, string)"/>
    public static PeftModelForSequenceClassification GetPeftModel(this ChatGLMForSequenceClassification model, PeftConfig config, string adapterName = PeftModel.DefaultAdapterName) =>
        (PeftModelForSequenceClassification)PeftModel.Create(model, config, adapterName);

    /// <inheritdoc cref="GetPeftModel(ChatGLMForConditionalGeneration, PeftConfig, string)"/>
    public static PeftModel GetPeftModel(this PreTrainedModel model, PeftConfig config, string adapterName = PeftModel.DefaultAdapterName) =>
        PeftModel.Create(model, config, adapterName);

    /// <summary>
    /// Puts whatever adapter a folder holds on a model that is loaded: an adapter of peft (LoRA, prefix tuning, any that this library reads), told by its adapter_config.json, or a P-Tuning v2
    /// prefix of THUDM's script, whose length and projection are read from the tensors. A failure leaves the model as it was.
    /// </summary>
    /// <param name="model">The base model. A P-Tuning v2 prefix that it has is replaced by another.</param>
    /// <param name="path">An adapter's folder, a checkpoint folder with <c>transformer.prefix_encoder.*</c> (alone, or an old one with the whole model), or such a weight file.</param>
    /// <param name="adapterName">What to call an adapter of peft.</param>
    /// <param name="isTrainable">Whether it is to be trained on.</param>
    /// <exception cref="AdapterConfigException">adapter_config.json is missing or damaged.</exception>
    /// <exception cref="AdapterWeightsException">The adapter is for another base model, or its files do not belong together.</exception>
    /// <exception cref="PrefixCheckpointException">The checkpoint holds neither, or a prefix for another model; the message lists what it holds.</exception>
    /// <exception cref="Formats.CheckpointException">The weights are missing or damaged.</exception>
    public static LoadedAdapter LoadAdapter(this PreTrainedModel model, string path, string adapterName = PeftModel.DefaultAdapterName, bool isTrainable = false)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (File.Exists(Path.Combine(path, PeftConfig.FileName)) || Files.AdapterWeights.FileNames.Any(name => File.Exists(Path.Combine(path, name))))
            return new LoadedAdapter(model, path, PeftModel.FromPretrained(model, path, adapterName, isTrainable), adapterName);
        var prefix = model.LoadPrefix(path);
        if (!isTrainable && model.TryGetModule("transformer.prefix_encoder", out var encoder))
            encoder.RequiresGrad(false);
        return new LoadedAdapter(model, path, prefix);
    }

    /// <summary>Makes a quantized base ready for training (<c>peft.prepare_model_for_kbit_training</c>): freezes it, and recomputes its layers in the backward pass. Activations,
    /// norms and adapters are float32 here in any case.</summary>
    /// <param name="model">The base model.</param>
    /// <param name="useGradientCheckpointing">Whether to recompute.</param>
    /// <returns>The same model.</returns>
    public static TModel PrepareModelForKbitTraining<TModel>(this TModel model, bool useGradientCheckpointing = true)
        where TModel : PreTrainedModel
    {
        ArgumentNullException.ThrowIfNull(model);
        model.RequiresGrad(false);
        model.GradientCheckpointing = useGradientCheckpointing;
        return model;
    }
}
