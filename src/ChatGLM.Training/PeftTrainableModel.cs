using ChatGLM.Formats;
using ChatGLM.Generation;
using ChatGLM.Models;
using ChatGLM.Peft;
using ChatGLM.Tensors;

namespace ChatGLM.Training;

/// <summary>A model with adapters as a <see cref="Trainer"/> trains it: its checkpoints hold adapter_model.safetensors and adapter_config.json, as those of transformers and peft do.</summary>
internal sealed class PeftTrainableModel(PeftModel model) : TrainableModel(model, (model ?? throw new ArgumentNullException(nameof(model))).BaseModel, model.Forward)
{
    private const string TrainingStateFile = "adapter_training_state.safetensors";
    private static readonly string[] WeightFiles = ["adapter_model.safetensors", "adapter_model.bin"];

    /// <inheritdoc/>
    public override GenerationResult Generate(ModelInputs prompts, GenerationConfig config, CancellationToken cancellationToken = default) => model is PeftModelForCausalLM causal
        ? causal.Generate(prompts, config, cancellationToken)
        : base.Generate(prompts, config, cancellationToken);

    /// <inheritdoc/>
    public override void Save(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        model.SavePretrained(folder);
    }

    /// <inheritdoc/>
    public override void Load(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        using var scope = new TensorScope();
        // All are looked for before the first one is changed.
        foreach (var place in model.ActiveAdapters.Select(name => PlaceOf(folder, name)))
            RequireWeights(place);
        foreach (var name in model.ActiveAdapters)
            model.RestoreAdapter(PlaceOf(folder, name), name);
    }

    /// <inheritdoc/>
    public override void SaveTrainingState(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        using var scope = new TensorScope();
        foreach (var name in model.ActiveAdapters)
        {
            if (model.GetTrainingState(name) is { Count: > 0 } state)
                Safetensors.SaveFile(state, Path.Combine(PlaceOf(folder, name), TrainingStateFile));
        }
    }

    /// <inheritdoc/>
    public override void LoadTrainingState(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        using var scope = new TensorScope();
        foreach (var name in model.ActiveAdapters)
        {
            var path = Path.Combine(PlaceOf(folder, name), TrainingStateFile);
            if (!File.Exists(path))
                continue;
            using var checkpoint = Checkpoint.Open(path);
            model.SetTrainingState(checkpoint.Entries.Keys.ToDictionary(key => key, key => checkpoint.Read(key)), name);
        }
    }

    /// <summary>peft puts the adapter called default into the folder itself, and others into folders of their names; transformers looks for the active one in the folder itself.</summary>
    private static string PlaceOf(string folder, string adapter)
    {
        var own = Path.Combine(folder, adapter);
        return adapter != PeftModel.DefaultAdapterName && Directory.Exists(own) ? own : folder;
    }

    private static void RequireWeights(string folder)
    {
        if (!WeightFiles.Any(name => File.Exists(Path.Combine(folder, name))))
            throw new TrainingCheckpointException(folder, $"there is neither {WeightFiles[0]} nor {WeightFiles[1]}. It may be a checkpoint of a run without an adapter.");
    }
}
