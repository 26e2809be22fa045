using ChatGLM.Formats;
using ChatGLM.Generation;
using ChatGLM.Models;
using ChatGLM.Peft;
using ChatGLM.Tensors;

namespace ChatGLM.Training;

/// <summary>A model with adapters as a <see cref="Trainer"/> trains it: its checkpoints hold adapter_model.safetensors and adapter_config.json, as those of transformers and peft do.</summary>
internal sealed class PeftTrainableModel(PeftModel model) : TrainableModel(model, (model ?? throw new ArgumentNullException(nameof(model))).BaseModel, model.Forward)
{
    private static readonly string[] WeightFiles = ["adapter_model.safetensors", "adapter_model.bin"];

    /// <inheritdoc/>
    public override GenerationResult Generate(ModelInputs prompts, GenerationConfig config, CancellationToken cancellationToken = default) => model is PeftModelForCausalLM causal
        ? causal.Generate(prompts, config, cancellationToken)
        : base.Generate(prompts, config, cancellationToken);

    /// <inheritdoc/>
    public override void Save(string folder, bool? safeSerialization = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        model.SavePretrained(folder);
        if (safeSerialization != false)
            return;
        foreach (var (name, _) in model.PeftConfigs)
        {
            var place = name == PeftModel.DefaultAdapterName ? folder : Path.Combine(folder, name);
            TorchArchive.Save(model.GetPeftModelStateDict(name).ToDictionary(p => (object)p.Key, p => (object?)p.Value), Path.Combine(place, WeightFiles[1]));
            File.Delete(Path.Combine(place, WeightFiles[0]));
        }
    }

    /// <inheritdoc/>
    public override void Load(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        using var scope = new TensorScope();
        // All are read before the first one is changed.
        var states = model.ActiveAdapters.ToDictionary(name => name, name => Read(PlaceOf(folder, name)));
        foreach (var (name, state) in states)
            model.SetPeftModelStateDict(state, name);
    }

    /// <summary>peft puts the adapter called default into the folder itself, and others into folders of their names; transformers looks for the active one in the folder itself.</summary>
    private static string PlaceOf(string folder, string adapter)
    {
        var own = Path.Combine(folder, adapter);
        return adapter != PeftModel.DefaultAdapterName && Directory.Exists(own) ? own : folder;
    }

    private static Dictionary<string, Tensor> Read(string folder)
    {
        if (!WeightFiles.Any(name => File.Exists(Path.Combine(folder, name))))
            throw new TrainingCheckpointException(folder, $"there is neither {WeightFiles[0]} nor {WeightFiles[1]}. It may be a checkpoint of a run without an adapter.");
        using var checkpoint = Checkpoint.OpenFirst(folder, WeightFiles);
        return checkpoint.Entries.Keys.ToDictionary(name => name, name => checkpoint.Read(name));
    }
}
