using ChatGLM.Formats;
using ChatGLM.Quantization;
using ChatGLM.Tensors;

namespace ChatGLM.Models;

/// <summary>A model that was loaded from a snapshot, or made fresh from a configuration. It maps its weights: dispose it to give the files back.</summary>
public abstract partial class PreTrainedModel : Module
{
    private readonly Lock _passGate = new();
    private int _passes;
    private bool _isDisposed;

    private protected PreTrainedModel(ChatGLMConfig config, Backend backend, TorchGenerator generator)
    {
        Config = config;
        Backend = backend;
        Generator = generator;
    }

    /// <summary>The configuration, overrides included.</summary>
    public ChatGLMConfig Config { get; private set; }

    /// <summary>What computes.</summary>
    public Backend Backend { get; private set; }

    /// <summary>What dropout draws from in training.</summary>
    public TorchGenerator Generator { get; }

    /// <summary>What loading found; null for a model that was made fresh.</summary>
    public LoadReport? LoadReport { get; internal set; }

    /// <summary>Recomputes each layer in the backward pass instead of keeping what is inside it: less memory for a third more time. In training only.</summary>
    public abstract bool GradientCheckpointing { get; set; }

    private protected abstract Transformer Transformer { get; }

    /// <summary>Scores every position, and computes the loss if labels are given. Recorded for a backward pass unless <see cref="GradMode"/> says otherwise.</summary>
    /// <param name="inputs">Ids, and optionally masks, positions, labels and a cache.</param>
    /// <exception cref="ModelInputException">The inputs do not fit the model or each other.</exception>
    /// <exception cref="TokenIdOutOfRangeException">An id is not of the vocabulary.</exception>
    public abstract ModelOutput Forward(ModelInputs inputs);

    /// <summary>Scores every position of one or more rows of ids.</summary>
    /// <param name="inputIds">Token ids, int64 [batch, seq].</param>
    public ModelOutput Forward(Tensor inputIds) => Forward(new ModelInputs { InputIds = inputIds });

    /// <summary>Writes config.json and the weights as safetensors, sharded with an index if they are large, in the types that they have in memory. Shared weights are written once. The
    /// folder changes from an old snapshot to the new one, never to half of one.</summary>
    /// <param name="folder">The snapshot folder; it is created if need be.</param>
    /// <param name="options">The size of shards.</param>
    /// <exception cref="QuantizationException">The weights are blocks of a GGUF file, which a snapshot cannot hold.</exception>
    public virtual void SavePretrained(string folder, SaveOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        if (NamedModules().FirstOrDefault(m => m.Module is Linear { Weight: BlockQuantizedWeight } or QuantizedEmbedding { Table: BlockQuantizedWeight }) is { Module: not null } blocks)
            throw new QuantizationException(blocks.Name, "the weight is in a block format of a GGUF file, which a snapshot cannot hold. Convert the file with SnapshotConverter, or load it with ModelOptions.Dtype or Quantization.");
        Directory.CreateDirectory(folder);
        Safetensors.SaveSharded(NamedParameters().Select(p => KeyValuePair.Create(p.Name, p.Parameter)), folder, (options ?? new SaveOptions()).MaxShardSize);
        SavedConfig().SavePretrained(folder);
    }

    /// <summary>The configuration that belongs to the weights as they are now.</summary>
    internal ChatGLMConfig SavedConfig() => Config with { TorchDtype = MainType(), Architectures = [Architecture] };

    /// <summary>The name of the Python class, for config.json.</summary>
    private protected abstract string Architecture { get; }

    /// <summary>Names that Python's state dict has besides those of <see cref="Module.StateDict"/>.</summary>
    internal virtual IReadOnlyDictionary<string, string> TiedWeights => new Dictionary<string, string>();

    /// <summary>Holds the weights for a pass: <see cref="Module.Dispose()"/> on another thread then leaves them until the pass is over, and the next one is refused.</summary>
    private protected Pass BeginPass()
    {
        lock (_passGate)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            _passes++;
        }

        return new Pass(this);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        lock (_passGate)
        {
            _isDisposed = true;
            if (_passes > 0)
                return; // the last pass does it: a kernel that reads an unmapped file would take the process with it
        }

        base.Dispose(disposing);
    }

    /// <inheritdoc/>
    protected override void OnMoving()
    {
        lock (_passGate)
        {
            if (_passes > 0)
                throw new InvalidOperationException("The model is computing on another thread: it is moved or converted between passes.");
        }
    }

    /// <inheritdoc/>
    protected override void OnMoved(Backend backend) => Backend = backend;

    private void EndPass()
    {
        lock (_passGate)
        {
            if (--_passes > 0 || !_isDisposed)
                return;
        }

        base.Dispose(disposing: true);
    }

    private protected readonly struct Pass(PreTrainedModel model) : IDisposable
    {
        public void Dispose() => model.EndPass();
    }

    private DType MainType() => NamedParameters().Where(p => p.Parameter.DType.IsFloatingPoint()).GroupBy(p => p.Parameter.DType).MaxBy(g => g.Sum(p => p.Parameter.ByteLength))!.Key;
}
