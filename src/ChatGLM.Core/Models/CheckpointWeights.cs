using ChatGLM.Formats;
using ChatGLM.Quantization;
using ChatGLM.Tensors;

namespace ChatGLM.Models;

/// <summary>Gives the modules of a model their parameters from a checkpoint, and takes note of all that does not fit, so that one report names everything.</summary>
internal partial class CheckpointWeights(Checkpoint checkpoint, ModelOptions options, TorchGenerator generator, IWeightQuantizer? quantizer, Func<string, bool> mayBeFresh) : IWeightSource
{
    private readonly List<Tensor> _made = [];
    private readonly HashSet<string> _used = [];
    private readonly Dictionary<DType, long> _bytesByType = [];
    private readonly long _totalBytes = checkpoint.Entries.Values.Sum(e => e.LengthInBytes);
    private long _loadedBytes;

    public Backend Backend { get; } = options.Backend ?? Backend.Default;

    public List<string> Missing { get; } = [];

    public List<ShapeMismatch> Misshaped { get; } = [];

    public List<string> Fresh { get; } = [];

    public long Bytes => _bytesByType.Values.Sum();

    public DType Dtype => _bytesByType.Count == 0 ? DType.Float32 : _bytesByType.MaxBy(t => t.Value).Key;

    public IEnumerable<string> Unused => checkpoint.Entries.Keys.Where(name => !_used.Contains(name));

    public bool Contains(string name) => checkpoint.Entries.ContainsKey(name);

    public Tensor Get(string name, in Shape shape, Initializer initialize)
    {
        options.CancellationToken.ThrowIfCancellationRequested();
        if (checkpoint.Entries.TryGetValue(name, out var entry))
            return Read(entry, shape, options.Dtype) is { } tensor ? Take(tensor) : Placeholder(shape);
        if (!mayBeFresh(name))
        {
            Missing.Add(name);
            return Placeholder(shape);
        }

        // What is missing comes to light before the head is asked for: then nothing is made, however wide the config says it is.
        if (IsDoomed)
            return Placeholder(shape);
        // A prefix or a head is trained from here on, so it is made in the type it is trained in.
        var fresh = FreshWeights.Create(Backend, generator, shape, DType.Float32, initialize);
        Fresh.Add(name);
        return Take(fresh);
    }

    /// <summary>Gives back what was made: for a load that fails.</summary>
    public void DisposeAll() => _made.ForEach(tensor => tensor.Dispose());

    private bool IsDoomed => Missing.Count > 0 || Misshaped.Count > 0;

    /// <summary>The tensor, in a type or in its own; null if its shape is another one, which is noted, or if the load fails anyway.</summary>
    private Tensor? Read(CheckpointEntry entry, in Shape shape, DType? dtype)
    {
        if (!HasShape(entry, shape))
            return null;
        if (!entry.DType.IsFloatingPoint())
            throw new CheckpointException(entry.File, $"the tensor '{entry.Name}' holds {entry.DType}, expected floating-point numbers.{WhyInteger(entry)} {checkpoint.Describe()}");
        if (IsDoomed)
            return null; // all that does not fit is still to be found, but converting gigabytes on the way would be for nothing
        var tensor = Load(entry, dtype ?? (entry.DType == DType.Float64 ? DType.Float32 : entry.DType));
        tensor.RequiresGrad = true;
        Report(entry);
        return tensor;
    }

    /// <summary>The tensor of an entry, in its own type (of blocks the bytes) or in another one.</summary>
    private protected virtual Tensor Load(CheckpointEntry entry, DType dtype)
    {
        if (entry.Blocks is { } format && dtype != entry.DType)
            return Widen(entry, format, dtype);
        var tensor = checkpoint.Read(entry.Name, Backend);
        if (dtype == entry.DType)
            return tensor;
        using var stored = tensor;
        var converted = Backend.Cast(stored, dtype);
        stored.ReleasePages();
        return converted;
    }

    /// <summary>A quantized weight from a dense one, which is not disposed.</summary>
    private protected virtual LinearWeight Quantize(IWeightQuantizer how, string path, Tensor dense)
    {
        var weight = how.Quantize(path, dense);
        dense.ReleasePages(); // nobody reads them again but an embedding that shares them, a row for a token
        return weight;
    }

    private bool HasShape(CheckpointEntry entry, in Shape shape)
    {
        _used.Add(entry.Name);
        if (entry.Shape.SequenceEqual(shape.ToArray().Select(n => (long)n)))
            return true;
        Misshaped.Add(new ShapeMismatch(entry.Name, shape.ToString(), $"[{string.Join(", ", entry.Shape)}]"));
        return false;
    }

    private void Report(CheckpointEntry entry)
    {
        _loadedBytes += entry.LengthInBytes;
        options.Progress?.Report(new LoadProgress(_loadedBytes, _totalBytes));
    }

    private Tensor Take(Tensor tensor)
    {
        _made.Add(tensor);
        _bytesByType[tensor.DType] = _bytesByType.GetValueOrDefault(tensor.DType) + tensor.ByteLength;
        return tensor;
    }

    /// <summary>Something of the right shape that holds no memory: the load is going to fail, and a config may ask for terabytes.</summary>
    private Tensor Placeholder(in Shape shape)
    {
        var tensor = NoStorage.Tensor(Backend, shape, DType.Float32);
        _made.Add(tensor);
        return tensor;
    }
}
