using ChatGLM.Formats;
using ChatGLM.Generation;
using ChatGLM.Models;
using ChatGLM.Peft;
using ChatGLM.Tensors;

namespace ChatGLM.Training;

/// <summary>
/// What a <see cref="Trainer"/> trains: a module, its forward pass, and how its trained parameters are saved and loaded. A <see cref="PreTrainedModel"/> and a <see cref="PeftModel"/> convert by themselves; anything else
/// that wraps one gives its own forward pass, and derives from this class if its checkpoints have another form.
/// </summary>
public class TrainableModel
{
    private readonly Func<ModelInputs, ModelOutput> _forward;
    private readonly PreTrainedModel _base;

    /// <summary>Describes a model that wraps another.</summary>
    /// <param name="module">The module whose parameters that require a gradient are trained.</param>
    /// <param name="baseModel">The model underneath: its backend, its random numbers, its gradient checkpointing.</param>
    /// <param name="forward">The forward pass.</param>
    public TrainableModel(Module module, PreTrainedModel baseModel, Func<ModelInputs, ModelOutput> forward)
    {
        ArgumentNullException.ThrowIfNull(module);
        ArgumentNullException.ThrowIfNull(baseModel);
        ArgumentNullException.ThrowIfNull(forward);
        (Module, _base, _forward) = (module, baseModel, forward);
    }

    /// <summary>Describes a model that is trained itself, whole or with its P-Tuning prefix alone.</summary>
    public TrainableModel(PreTrainedModel model)
        : this(model, model, (model ?? throw new ArgumentNullException(nameof(model))).Forward)
    {
    }

    /// <summary>The module whose parameters that require a gradient are trained.</summary>
    public Module Module { get; }

    /// <summary>The model underneath.</summary>
    public PreTrainedModel BaseModel => _base;

    /// <summary>What computes.</summary>
    public Backend Backend => _base.Backend;

    /// <summary>What dropout and the order of samples draw from: the counterpart of PyTorch's global generator.</summary>
    public TorchGenerator Generator => _base.Generator;

    /// <summary>The parameters that are trained, by name, in order.</summary>
    public IEnumerable<(string Name, Tensor Parameter)> TrainableParameters => Module.NamedParameters().Where(p => p.Parameter.RequiresGrad);

    /// <summary>Takes a model as it is.</summary>
    public static implicit operator TrainableModel(PreTrainedModel model) => new(model);

    /// <summary>Takes a model with adapters: its active adapters are trained, and checkpoints hold them alone.</summary>
    public static implicit operator TrainableModel(PeftModel model) => new PeftTrainableModel(model);

    /// <summary>Scores a batch, and computes its loss if it has labels.</summary>
    public ModelOutput Forward(ModelInputs inputs) => _forward(inputs);

    /// <summary>Generates from prompts, for evaluation and prediction.</summary>
    /// <param name="prompts">Ids padded on the left, with masks and positions.</param>
    /// <param name="config">The options.</param>
    /// <param name="cancellationToken">Looked at before every token.</param>
    public virtual GenerationResult Generate(ModelInputs prompts, GenerationConfig config, CancellationToken cancellationToken = default) => _base is ChatGLMForConditionalGeneration model
        ? model.Generate(prompts, config, cancellationToken: cancellationToken)
        : throw new TrainingArgumentsException("predict_with_generate", $"{_base.GetType().Name} does not generate.");

    /// <summary>Writes what a checkpoint needs: the whole model if all of it is trained, else the trained parameters alone with the configuration, as THUDM's script does.</summary>
    /// <param name="folder">An existing folder.</param>
    /// <param name="safeSerialization">Whether to write safetensors or PyTorch's .bin files; null for safetensors, but pytorch_model.bin where parameters are written alone, since
    /// THUDM's scripts look for a prefix in a file of that name.</param>
    public virtual void Save(string folder, bool? safeSerialization = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        var isWhole = Module.NamedParameters().All(p => p.Parameter.RequiresGrad || !p.Parameter.DType.IsFloatingPoint());
        var isSafe = safeSerialization ?? isWhole;
        if (isWhole && isSafe)
        {
            _base.SavePretrained(folder);
            return;
        }

        var parameters = isWhole ? Module.NamedParameters() : TrainableParameters;
        if (isSafe)
            Safetensors.SaveSharded(parameters.Select(p => KeyValuePair.Create(p.Name, p.Parameter)), folder);
        else
            TorchArchive.Save(parameters.ToDictionary(p => (object)p.Name, p => (object?)p.Parameter), Path.Combine(folder, "pytorch_model.bin"));
        _base.Config.SavePretrained(folder);
    }

    /// <summary>Reads what <see cref="Save"/> wrote, or the weights that Python's trainer saved. Nothing is changed if anything is missing.</summary>
    /// <param name="folder">A checkpoint folder.</param>
    /// <exception cref="TrainingCheckpointException">A trained parameter is missing.</exception>
    public virtual void Load(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        using var scope = new TensorScope();
        using var checkpoint = Checkpoint.Open(folder);
        var state = new Dictionary<string, Tensor>();
        foreach (var (name, _) in TrainableParameters)
        {
            if (!checkpoint.Entries.ContainsKey(name))
                throw new TrainingCheckpointException(checkpoint.Path, $"the trained parameter '{name}' is missing. {checkpoint.Describe()}");
            state.Add(name, checkpoint.Read(name, Backend));
        }

        Module.LoadStateDict(state, strict: false);
    }
}
