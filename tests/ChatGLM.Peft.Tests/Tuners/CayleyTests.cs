using ChatGLM.Peft.Oft;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.Tests.Tuners;

public sealed class CayleyTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(32)]
    [InlineData(33)]
    [InlineData(77)] // halves of halves, of odd sides
    [InlineData(130)]
    public void Rotations_turn_without_stretching(int side)
    {
        using var scope = new TensorScope();
        var rotations = Cayley.Rotation(Random(2, side));
        var products = Functional.MatMul(rotations, rotations, transposeB: true).ToFloatArray();
        for (var i = 0; i < products.Length; i++)
            ((double)products[i]).Should().BeApproximately(i % (side * side) % (side + 1) == 0 ? 1 : 0, 2e-5);
    }

    [Theory]
    [InlineData(5)]
    [InlineData(40)]
    public void Gradients_are_slopes(int side)
    {
        using var scope = new TensorScope();
        var (matrices, weights) = (Random(2, side), Random(2, side, seed: 9));
        matrices.RequiresGrad = true;
        Loss().Backward();
        var direction = Random(2, side, seed: 4);
        var slope = Functional.Sum(Functional.Multiply(matrices.Grad!, direction)).Item();
        const float Step = 1e-2f;
        using var noGrad = GradMode.NoGrad();
        matrices.Backend.AddInPlace(matrices, direction, Step);
        var above = Loss().Item();
        matrices.Backend.AddInPlace(matrices, direction, -2 * Step);
        ((above - Loss().Item()) / (2 * Step)).Should().BeApproximately(slope, 2e-3f * Math.Abs(slope) + 1e-3f);

        Tensor Loss() => Functional.Sum(Functional.Multiply(Cayley.Rotation(matrices), weights));
    }

    private static Tensor Random(int count, int side, ulong seed = 3)
    {
        var values = new float[count * side * side];
        new TorchGenerator(seed).Normal(values, 0, 0.5);
        return Tensor.From(values, [count, side, side]);
    }
}
