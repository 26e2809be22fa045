using ChatGLM.Peft.Lycoris;
using ChatGLM.Peft.Tuners;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.Oft;

/// <summary>What an OFT adapter has in one layer: the parameters of the rotations, [blocks, side, side], or [1, side, side] if all blocks share one.</summary>
/// <param name="parameters">Of each block a matrix, of which the skew-symmetric part counts.</param>
/// <param name="blocks">How many blocks there are. If they do not divide the layer's width, the last one is cut off.</param>
/// <param name="limit">The largest length of a block's parameters, for constrained OFT; null without.</param>
internal sealed class OftAdapter(Tensor parameters, int blocks, double? limit) : LycorisAdapter
{
    /// <summary>Parameters that have been cut to the limit are beyond it by no more than rounding; cutting them again would change bits from pass to pass.</summary>
    private const double Rounding = 1e-6;

    public int Blocks { get; } = blocks;

    public int Side { get; } = parameters.Shape[1];

    public bool IsShared { get; } = parameters.Shape[0] == 1 && blocks > 1;

    public override IEnumerable<AdapterParameter> Parameters => [new("oft_r", "", parameters)];

    /// <summary>The rotations of some blocks, [count, side, side]; of shared ones [1, side, side].</summary>
    public Tensor Rotations(int start, int count)
    {
        Constrain();
        return Cayley.Rotation(IsShared || count == parameters.Shape[0] ? parameters : Functional.Slice(parameters, 0, start, count));
    }

    /// <summary>Brings parameters that are too long back to the limit, in place, as peft does in every pass.</summary>
    private void Constrain()
    {
        if (limit is not { } longest)
            return;
        using var noGrad = GradMode.NoGrad();
        using var scope = new TensorScope();
        var backend = parameters.Backend;
        for (var block = 0; block < parameters.Shape[0]; block++)
        {
            var values = backend.Slice(parameters, 0, block, 1);
            var length = Math.Sqrt(backend.SumOfSquares(values));
            if (length > longest * (1 + Rounding))
                backend.WriteSlice(parameters, backend.Affine(values, (float)(longest / length), 0), 0, block);
        }
    }
}
