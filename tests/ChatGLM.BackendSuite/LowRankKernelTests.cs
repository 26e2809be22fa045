using static ChatGLM.Tensors.Tests.Kernels.KernelCheck;

namespace ChatGLM.Tensors.Tests.Kernels;

[Collection(KernelCheck.Collection)]
public class LowRankKernelTests
{
    [Theory]
    [InlineData(1, 1, 1, DType.Float32)]
    [InlineData(3, 15, 2, DType.Float32)]
    [InlineData(9, 33, 4, DType.BFloat16)]
    [InlineData(8, 16, 1, DType.Float16)]
    [InlineData(130, 700, 8, DType.Float32)]
    [InlineData(130, 1029, 5, DType.BFloat16)]
    [InlineData(6, 512, 3, DType.Float16)]
    [InlineData(9, 64, 8, DType.BFloat16)]
    public void Adds_thin_products(int rows, int columns, int rank, DType dtype) => AgreesWithReference(
        b =>
        {
            var matrix = Normal(b, [rows, columns], 1, dtype: dtype);
            var one = new LowRankTerm(Normal(b, [rows, rank], 2), Normal(b, [rank, columns], 3), 0.5f);
            var two = new LowRankTerm(Normal(b, [rows, 2], 4), Normal(b, [2, columns], 5), -2);
            var (single, isFinite) = b.AddLowRank(matrix, [one]);
            var (both, _) = b.AddLowRank(matrix, [one, two]);
            isFinite.Should().BeTrue();
            single.DType.Should().Be(dtype);
            return [single, both, b.AddLowRank(matrix, []).Sum];
        },
        // Half a unit in the last place of the type, and one more where float32's own rounding decides which way a tie goes.
        relative: dtype switch { DType.Float32 => 1e-6, DType.Float16 => 1.0 / 1024, _ => 1.0 / 128 },
        absolute: 1e-5);

    [Theory]
    [InlineData(DType.Float32, 3e38f, 1e38f, false)]
    [InlineData(DType.Float32, 3e38f, 0.3e38f, true)]
    [InlineData(DType.Float16, 65000f, 519f, true)] // rounds to 65504
    [InlineData(DType.Float16, 65000f, 530f, false)]
    [InlineData(DType.BFloat16, 3.38e38f, 0.01e38f, true)]
    [InlineData(DType.BFloat16, 3.38e38f, 0.02e38f, false)] // finite in float32, and rounds to an infinity
    [InlineData(DType.Float32, 1, float.NaN, false)]
    public void Says_whether_all_is_finite(DType dtype, float value, float change, bool expected)
    {
        foreach (var (name, backend, _, _) in SuiteBackends.All)
        {
            foreach (var (rows, columns, at) in new[] { (5, 21, 4), (5, 32, 4), (4, 32, 0), (4, 32, 1), (4, 32, 2), (8, 48, 7) })
            {
                using var scope = new TensorScope();
                var values = new float[rows * columns];
                values[((at + 1) * columns) - 1] = value;
                var matrix = backend.Cast(Tensor.From(values, [rows, columns], backend), dtype);
                var left = new float[rows];
                left[at] = 1;
                var right = new float[columns];
                right[^1] = change;
                var (sum, isFinite) = backend.AddLowRank(matrix, [new LowRankTerm(Tensor.From(left, [rows, 1], backend), Tensor.From(right, [1, columns], backend), 1)]);
                isFinite.Should().Be(expected, $"{name}, row {at} of {rows} x {columns}");
                float.IsFinite(sum.ToFloatArray()[((at + 1) * columns) - 1]).Should().Be(expected);
            }
        }
    }
}
