using static ChatGLM.Tensors.Tests.Kernels.KernelCheck;

namespace ChatGLM.Tensors.Tests.Kernels;

[Collection(KernelCheck.Collection)]
public class ElementwiseKernelTests
{
    public static TheoryData<int> Counts => [0, 1, 15, 16, 17, 1000, 40_001];

    [Theory]
    [MemberData(nameof(Counts))]
    public void Combines_numbers_like_the_plain_backend(int count) => AgreesWithReference(
        b =>
        {
            var (x, y) = (Normal(b, [count], 1), Normal(b, [count], 2, mean: 5));
            return [b.Add(x, y), b.Add(x, y, -0.3f), b.Multiply(x, y), b.Divide(x, y), b.Affine(x, 1.7f, -0.2f)];
        },
        relative: 2e-7,
        absolute: 1e-6);

    [Theory]
    [InlineData(1, 1)]
    [InlineData(7, 1)]
    [InlineData(40_000, 1)]
    [InlineData(301, 3)]
    [InlineData(301, 17)]
    [InlineData(97, 511)]
    [InlineData(67, 600)]
    [InlineData(0, 5)]
    public void Repeats_a_shorter_operand_along_the_outer_axes(int outer, int inner) => AgreesWithReference(
        b =>
        {
            var (x, y) = (Normal(b, [outer, inner], 3), Normal(b, [inner], 4, mean: 4));
            return [b.Add(x, y, 0.5f), b.Multiply(x, y), b.Divide(x, y)];
        },
        relative: 2e-7,
        absolute: 1e-6);

    [Fact]
    public void Repeats_a_single_number_without_axes() =>
        AgreesWithReference(b => [b.Multiply(Normal(b, [3, 50], 3), Tensor.Scalar(2.5f, b))], relative: 2e-7, absolute: 0);

    [Theory]
    [InlineData(UnaryOp.GeluTanh)]
    [InlineData(UnaryOp.Silu)]
    [InlineData(UnaryOp.Tanh)]
    [InlineData(UnaryOp.Sigmoid)]
    [InlineData(UnaryOp.Relu)]
    [InlineData(UnaryOp.Softplus)]
    [InlineData(UnaryOp.Exp)]
    [InlineData(UnaryOp.Square)]
    public void Maps_numbers_and_their_gradients(UnaryOp op)
    {
        foreach (var count in new[] { 0, 1, 15, 16, 17, 20_011 })
        {
            // The derivative of GELU and SiLU crosses zero, where only an absolute bound makes sense.
            AgreesWithReference(
                b =>
                {
                    var x = Normal(b, [count], 5, scale: 6);
                    return [b.Unary(op, x), b.UnaryBackward(op, Normal(b, [count], 6), x)];
                },
                relative: 1e-6,
                absolute: 2e-6);
        }
    }

    [Theory]
    [InlineData(UnaryOp.Log)]
    [InlineData(UnaryOp.Sqrt)]
    public void Maps_positive_numbers_and_their_gradients(UnaryOp op) => AgreesWithReference(
        b =>
        {
            var x = b.Unary(UnaryOp.Exp, Normal(b, [1003], 5, scale: 20));
            return [b.Unary(op, x), b.UnaryBackward(op, Normal(b, [1003], 6), x)];
        },
        relative: 1e-5,
        absolute: 1e-6);

    [Theory]
    [InlineData(UnaryOp.GeluTanh)]
    [InlineData(UnaryOp.Silu)]
    [InlineData(UnaryOp.Tanh)]
    [InlineData(UnaryOp.Sigmoid)]
    [InlineData(UnaryOp.Relu)]
    [InlineData(UnaryOp.Softplus)]
    [InlineData(UnaryOp.Exp)]
    [InlineData(UnaryOp.Log)]
    [InlineData(UnaryOp.Sqrt)]
    public void Lets_nothing_become_a_number_that_is_not_one(UnaryOp op)
    {
        // Whole vectors and a tail; large numbers must neither overflow to NaN nor hide one.
        float[] values = [float.NaN, 1e4f, -1e4f, 90, -90, 0, 3e38f, 1e-30f];
        AgreesWithReference(b => [b.Unary(op, Tensor.From(Enumerable.Range(0, 20).Select(i => values[i % values.Length]).ToArray(), [20], b))], relative: 1e-6, absolute: 1e-6);
    }

    [Theory]
    [InlineData(DType.Float32, DType.Float32)]
    [InlineData(DType.Float32, DType.BFloat16)]
    [InlineData(DType.Float16, DType.Float32)]
    [InlineData(DType.BFloat16, DType.Float16)]
    [InlineData(DType.Float64, DType.Float64)]
    public void Adds_and_scales_in_place_in_any_floating_type(DType target, DType source)
    {
        var relative = target switch { DType.Float16 => 1e-3, DType.BFloat16 => 8e-3, _ => 3e-7 };
        foreach (var count in new[] { 0, 1, 17, 1030, 40_000 })
        {
            AgreesWithReference(
                b =>
                {
                    var x = Normal(b, [count], 7, dtype: target);
                    b.AddInPlace(x, Normal(b, [count], 8, dtype: source), 0.25f);
                    b.ScaleInPlace(x, 1.5f);
                    return [x];
                },
                relative,
                absolute: target == DType.Float64 ? 1e-6 : 1e-6);
        }
    }

    [Theory]
    [InlineData(0, 8)]
    [InlineData(1, 2)]
    [InlineData(3, 34)]
    [InlineData(5, 2002)]
    [InlineData(2, 27_394)]
    public void Gates_and_gives_both_gradients(int rows, int width) => AgreesWithReference(
        b =>
        {
            var x = Normal(b, [rows, width], 9, scale: 4);
            return [b.SwiGlu(x), b.SwiGluBackward(Normal(b, [rows, width / 2], 10), x)];
        },
        relative: 1e-6,
        absolute: 4e-6);
}
