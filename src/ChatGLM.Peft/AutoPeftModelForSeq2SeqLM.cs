using ChatGLM.Models;
using ChatGLM.Peft.Files;

namespace ChatGLM.Peft;

/// <summary>Loads an adapter that was trained for <see cref="TaskType.Seq2SeqLM"/> together with the base model that it names.</summary>
public static class AutoPeftModelForSeq2SeqLM
{
    /// <summary>Loads the base model of <c>base_model_name_or_path</c> and puts the adapter on it.</summary>
    /// <param name="folder">The adapter's folder.</param>
    /// <param name="options">How to load the base; null for the defaults.</param>
    /// <param name="adapterName">What to call the adapter.</param>
    /// <param name="isTrainable">Whether it is to be trained on.</param>
    /// <exception cref="AdapterConfigException">The configuration is missing or damaged, or names no base model, or its task is another.</exception>
    public static PeftModelForSeq2SeqLM FromPretrained(string folder, ModelOptions? options = null, string adapterName = PeftModel.DefaultAdapterName, bool isTrainable = false) =>
        (PeftModelForSeq2SeqLM)AdapterWithBase.Load(folder, options, adapterName, isTrainable, (config, place, how) => config.TaskType == TaskType.Seq2SeqLM
            ? AutoModel.FromPretrained(place, how)
            : throw new AdapterConfigException(config.Origin, "task_type", $"is {config.TaskType?.ToString() ?? "null"}, expected {TaskType.Seq2SeqLM}. Use {nameof(AutoPeftModel)}, which goes by the file."));
}
