using ChatGLM.Models;
using ChatGLM.Peft.Lycoris;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.Oft;

/// <summary>Puts OFT on linear layers.</summary>
internal sealed class OftTuner : LycorisTuner
{
    public override Module Wrap(Module layer, PreTrainedModel model) => new OftLinear((Linear)layer, model.Generator);

    protected override LycorisAdapter Create(string path, Linear layer, LycorisConfig config, int rank, TorchGenerator generator)
    {
        var oft = (OftConfig)config;
        var (side, stored) = (Side(layer, rank), oft.BlockShare ? 1 : rank);
        Shape shape = [stored, side, side];
        var parameters = oft.InitWeights ? Tensor.Zeros(shape, backend: layer.Weight.Backend) : Drawn(shape, generator, layer.Weight.Backend);
        double? limit = oft.Coft ? oft.Eps * side * side / Math.Sqrt(stored) : null;
        return new OftAdapter(parameters, rank, limit) { ModuleDropout = oft.ModuleDropout };
    }

    protected override string? ProblemWith(LycorisConfig config, int rank, Linear layer)
    {
        if (rank > layer.OutFeatures)
            return $"expected at most {layer.OutFeatures} blocks.";
        var side = (long)Side(layer, rank);
        return side * side * (((OftConfig)config).BlockShare ? 1 : rank) > Array.MaxLength ? "its rotations would be too large; take more blocks." : null;
    }

    private static int Side(Linear layer, int blocks) => (layer.OutFeatures + blocks - 1) / blocks;
}
