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
