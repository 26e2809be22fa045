using ChatGLM.Formats;
using ChatGLM.Models;
using ChatGLM.Quantization;
using ChatGLM.Tensors;

namespace ChatGLM.Snapshots;

/// <summary>
/// Gives a model parameters that hold no memory, checked against a checkpoint as in loading, and remembers what each would be made of. A model built on it so says, without a byte read, which tensors its saved
/// form has and in which order.
/// </summary>
internal sealed class PlannedWeights(Checkpoint checkpoint, ModelOptions options, IWeightQuantizer? quantizer)
    : CheckpointWeights(checkpoint, options, new TorchGenerator(0), quantizer, _ => false)
{
    private readonly Dictionary<Tensor, CheckpointEntry> _loaded = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<Tensor, TensorRecipe> _quantized = new(ReferenceEqualityComparer.Instance);

    /// <summary>What a parameter is made of.</summary>
    public TensorRecipe RecipeFor(Tensor parameter) => _quantized.TryGetValue(parameter, out var recipe) ? recipe
        : _loaded[parameter] is { Blocks: { } format } entry ? new WidenRecipe(entry, format, parameter)
        : new CastRecipe(_loaded[parameter], parameter);

    // The file formats that are written hold no blocks.
    private protected override DType? WidenedBlocks => base.WidenedBlocks ?? DType.Float16;

    private protected override Tensor Load(CheckpointEntry entry, DType dtype)
    {
        var tensor = NoStorage.Tensor(Backend, new Shape([.. entry.Shape.Select(size => checked((int)size))]), dtype);
        _loaded.Add(tensor, entry);
        return tensor;
    }

    private protected override LinearWeight Quantize(IWeightQuantizer how, string path, Tensor dense)
    {
        var announced = how.Announce(path, dense);
        var recipe = new QuantizeRecipe(_loaded[dense], path, how, announced);
        foreach (var (_, part) in announced.Tensors)
            _quantized.Add(part, recipe);
        return announced;
    }
}
