using ChatGLM.Models;

namespace ChatGLM.Peft.Files;

/// <summary>Loads the base model that an adapter names, and puts the adapter on it. What was loaded is given back if the adapter does not fit.</summary>
internal static class AdapterWithBase
{
    /// <param name="folder">The adapter's folder.</param>
    /// <param name="options">How to load the base.</param>
    /// <param name="adapterName">What to call the adapter.</param>
    /// <param name="isTrainable">Whether it is to be trained on.</param>
    /// <param name="load">Loads a base, given its place and options.</param>
    public static PeftModel Load(string folder, ModelOptions? options, string adapterName, bool isTrainable, Func<PeftConfig, string, ModelOptions?, PreTrainedModel> load)
    {
        var config = PeftConfig.FromPretrained(folder);
        if (string.IsNullOrEmpty(config.BaseModelNameOrPath))
            throw new AdapterConfigException(config.Origin, "base_model_name_or_path", "is empty. Load the base model with AutoModel, then use PeftModel.FromPretrained.");
        var model = load(config, config.BaseModelNameOrPath, config.Revision is null ? options : (options ?? new ModelOptions()) with { Revision = config.Revision });
        try
        {
            return PeftModel.FromPretrained(model, folder, adapterName, isTrainable);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }
}
