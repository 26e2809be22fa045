using ChatGLM.Models;
using ChatGLM.Peft.Files;
using ChatGLM.Peft.Prompts;
using ChatGLM.Tensors;

namespace ChatGLM.Peft;

/// <content>Adapters of virtual tokens: they wrap no layer, and the base model runs behind the active one (<see cref="PreTrainedModel.SoftPrompt"/>).</content>
public partial class PeftModel
{
    /// <summary>The one tensor in a file.</summary>
    private const string PromptKey = "prompt_embeddings";

    /// <summary>With virtual tokens peft wraps the base model once less.</summary>
    private const string PromptPrefix = "base_model.";

    private void AddPrompt(string adapterName, PromptLearningConfig config, AdapterWeights? weights)
    {
        if (weights is not null && !config.InferenceMode && config.IsReparameterized)
        {
            throw new AdapterConfigException(config.Origin, "peft_type", $"is {config.PeftType} with a network that makes the virtual tokens; a file holds what it made, not the network, so training cannot go on from it. "
                + "Load it for inference, or train a new one.");
        }

        if (config is PrefixTuningConfig && BaseModel.Config.PreSeqLen is not null)
            throw new AdapterConfigException(config.Origin, "peft_type", "is PREFIX_TUNING, and the model has a P-Tuning v2 prefix of its own (pre_seq_len): there is room for one. Take it out with RemovePrefix first.");
        var completed = (PromptLearningConfig)Complete(config.Complete(BaseModel.Config));
        if (completed is not PrefixTuningConfig && completed.NumVirtualTokens >= BaseModel.Config.MaxPositions)
            throw new AdapterConfigException(config.Origin, "num_virtual_tokens", $"is {completed.NumVirtualTokens}, which leaves none of the model's {BaseModel.Config.MaxPositions} positions for a token.");
        weights?.Require(PromptKey, completed.SavedShape);
        var random = BaseModel.Generator.GetState();
        SoftPrompt? prompt = null;
        IReadOnlyList<(string Path, Module Copy)> saved = [];
        try
        {
            prompt = completed.Create(BaseModel, isLoaded: weights is not null);
            saved = _saved.Stage(completed.ModulesToSave, []);
            var places = saved.SelectMany(s => Tuners.SavedModules.Parameters(s.Path, s.Copy)).Select(p => (PromptPrefix + p.Name, p.Tensor));
            weights?.Match(places.Append((PromptKey, ((IPromptEncoder)prompt).Stored!)), []).Apply();
        }
        catch
        {
            prompt?.Dispose();
            foreach (var (_, copy) in saved)
                copy.Dispose();
            BaseModel.Generator.SetState(random);
            throw;
        }

        _saved.Add(adapterName, saved);
        _prompts.Add(adapterName, prompt);
        _adapters.Add((adapterName, completed));
        Activate(_active);
    }
}
