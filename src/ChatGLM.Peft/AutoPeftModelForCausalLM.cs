using ChatGLM.Models;
using ChatGLM.Peft.Files;

namespace ChatGLM.Peft;

/// <summary>Loads an adapter together with the base model that it names, to answer.</summary>
public static class AutoPeftModelForCausalLM
{
    /// <summary>Loads the base model of <c>base_model_name_or_path</c> and puts the adapter on it.</summary>
    /// <param name="folder">The adapter's folder.</param>
    /// <param name="options">How to load the base; null for the defaults.</param>
    /// <param name="adapterName">What to call the adapter.</param>
    /// <param name="isTrainable">Whether it is to be trained on.</param>
    /// <exception cref="AdapterConfigException">The configuration is missing or damaged, or names no base model.</exception>
    public static PeftModelForCausalLM FromPretrained(string folder, ModelOptions? options = null, string adapterName = PeftModel.DefaultAdapterName, bool isTrainable = false) =>
        (PeftModelForCausalLM)AdapterWithBase.Load(folder, options, adapterName, isTrainable, (_, place, how) => AutoModel.FromPretrained(place, how));
}
