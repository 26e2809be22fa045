using static ChatGLM.Tensors.Tests.Kernels.KernelCheck;

namespace ChatGLM.Tensors.Tests.Kernels;

[Collection(KernelCheck.Collection)]
public class ReduceAndNormKernelTests
{
    [Theory]
    [InlineData(0, 5)]
    [InlineData(1, 1)]
    [InlineData(3, 15)]
    [InlineData(1000, 1)]
    [InlineData(1000, 3)]
    [InlineData(517, 67)]
    [InlineData(4, 20_000)]
    public void Sums(int rows, int width) => AgreesWithReference(
        b =>
        {
            var x = Normal(b, [rows, width], 1);
            var squares = b.SumOfSquares(x);
            return [b.SumTo(x, [width]), b.SumTo(x, Shape.Scalar), b.SumLast(x), Tensor.From([squares], Shape.Scalar, b), b.SumTo(x, [rows, width])];
        },
        relative: 1e-5,
        absolute: 2e-4);

    [Fact]
    public void Sums_of_squares_are_in_double() => AgreesWithReference(
        b => [Tensor.From([b.SumOfSquares(Normal(b, [50_003], 1, scale: 1e25f)), b.SumOfSquares(Normal(b, [50_003], 1, dtype: DType.BFloat16))], [2], b)], relative: 1e-13, absolute: 0);

    [Fact]
    public void The_sum_of_many_equal_numbers_does_not_drift()
    {
        using var scope = new TensorScope();
        var sum = Backends[0].SumTo(Tensor.Full([3_000_000, 1], 0.1, DType.Float32, Backends[0]), Shape.Scalar).Item();
        // A lane adds 16 numbers before its piece is added up in double: at most 22 roundings of 2^-24 each.
        sum.Should().BeApproximately(300_000.0045f, 0.4f);
        var columns = Backends[0].SumTo(Tensor.Full([100_000, 20], 0.1, DType.Float32, Backends[0]), [20]).ToFloatArray();
        columns.Should().OnlyContain(value => Math.Abs(value - 10_000.00015) < 0.1);
    }

    [Theory]
    [InlineData(0, 8)]
    [InlineData(1, 1)]
    [InlineData(2, 15)]
    [InlineData(5, 16)]
    [InlineData(3, 17)]
    [InlineData(37, 1000)]
    [InlineData(130, 512)]
    public void Norms_and_all_their_gradients(int rows, int width)
    {
        foreach (var dtype in new[] { DType.Float32, DType.Float16, DType.BFloat16 })
        {
            AgreesWithReference(
                b =>
                {
                    var (x, dy) = (Normal(b, [rows, 1, width], 1, scale: 3, mean: 2), Normal(b, [rows, 1, width], 2));
                    var (weight, bias) = (Normal(b, [width], 3, dtype: dtype), Normal(b, [width], 4, dtype: dtype));
                    var (weightGrad, biasGrad, rmsGrad) = (Normal(b, [width], 5), Normal(b, [width], 6), Normal(b, [width], 7));
                    return
                    [
                        b.LayerNorm(x, weight, bias, 1e-3f),
                        b.RmsNorm(x, weight, 1e-5f),
                        b.LayerNormBackward(dy, x, weight, 1e-3f, weightGrad, biasGrad),
                        b.LayerNormBackward(dy, x, weight, 1e-3f, null, null),
                        b.RmsNormBackward(dy, x, weight, 1e-5f, rmsGrad),
                        b.RmsNormBackward(dy, x, weight, 1e-5f, null),
                        weightGrad, biasGrad, rmsGrad,
                    ];
                },
                relative: 2e-5,
                absolute: 2e-5);
        }
    }
}
