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

    /// <summary>What is trained and in no file of peft's: the networks that make virtual tokens, of which peft saves what they make. Python leaves this file alone.</summary>
    private const string NetworkFile = "prompt_encoder.safetensors";

    /// <inheritdoc/>
    public override GenerationResult Generate(ModelInputs prompts, GenerationConfig config, CancellationToken cancellationToken = default) => model is PeftModelForCausalLM causal
        ? causal.Generate(prompts, config, cancellationToken)
        : base.Generate(prompts, config, cancellationToken);

    /// <inheritdoc/>
    public override void Save(string folder, bool? safeSerialization = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        model.SavePretrained(folder);
        if (Networks() is { Count: > 0 } networks)
            Safetensors.SaveFile(networks, Path.Combine(folder, NetworkFile));
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
        var networks = ReadNetworks(folder, Networks());
        var states = model.ActiveAdapters.Where(IsSavedWhole).ToDictionary(name => name, name => Read(PlaceOf(folder, name)));
        model.LoadStateDict(networks, strict: false);
        foreach (var (name, state) in states)
            model.SetPeftModelStateDict(state, name);
    }

    /// <summary>Whether an adapter's file holds its parameters, and not what a network makes of them.</summary>
    private bool IsSavedWhole(string adapter)
    {
        var parameters = model.NamedParameters().Select(p => p.Parameter).ToHashSet<Tensor>(ReferenceEqualityComparer.Instance);
        return model.GetPeftModelStateDict(adapter).Values.All(parameters.Contains);
    }

    private Dictionary<string, Tensor> Networks()
    {
        var saved = model.ActiveAdapters.SelectMany(name => model.GetPeftModelStateDict(name).Values).ToHashSet<Tensor>(ReferenceEqualityComparer.Instance);
        return TrainableParameters.Where(p => !saved.Contains(p.Parameter)).ToDictionary(p => p.Name, p => p.Parameter, StringComparer.Ordinal);
    }

    private Dictionary<string, Tensor> ReadNetworks(string folder, Dictionary<string, Tensor> networks)
    {
        if (networks.Count == 0)
            return networks;
        if (!File.Exists(Path.Combine(folder, NetworkFile)))
            throw new TrainingCheckpointException(folder, $"there is no {NetworkFile}. A network makes the virtual tokens of this adapter, and a checkpoint of Python's trainer holds only what it made: training cannot go on from that.");
        using var checkpoint = Checkpoint.OpenFirst(folder, NetworkFile);
        if (networks.Keys.FirstOrDefault(name => !checkpoint.Entries.ContainsKey(name)) is { } missing)
            throw new TrainingCheckpointException(checkpoint.Path, $"the trained parameter '{missing}' is missing. {checkpoint.Describe()}");
        return networks.Keys.ToDictionary(name => name, name => checkpoint.Read(name, Backend), StringComparer.Ordinal);
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
