using static ChatGLM.Tensors.Tests.Kernels.KernelCheck;

namespace ChatGLM.Tensors.Tests.Kernels;

[Collection(KernelCheck.Collection)]
public class EmbeddingAndLossKernelTests
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(7, 15)]
    [InlineData(64, 17)]
    [InlineData(300, 260)]
    public void Looks_up_rows_and_adds_repeated_gradients_in_order(int count, int width)
    {
        foreach (var dtype in new[] { DType.Float32, DType.Float16, DType.BFloat16 })
        {
            AgreesWithReference(
                b =>
                {
                    var (ids, grad) = (Integers(b, [1, count], 1, limit: 9), Normal(b, [9, width], 4));
                    b.EmbeddingBackward(Normal(b, [1, count, width], 3), ids, grad);
                    return [b.Embedding(ids, Normal(b, [9, width], 2, dtype: dtype)), grad];
                },
                relative: 1e-6,
                absolute: 2e-5);
        }
    }

    [Fact]
    public void Names_the_position_and_the_range_of_a_bad_id()
    {
        using var scope = new TensorScope();
        foreach (var b in Backends)
        {
            var table = Normal(b, [10, 4], 1);
            var ids = Tensor.From([0L, 3, 10, 2], [2, 2], b);
            FluentActions.Invoking(() => b.Embedding(ids, table)).Should().Throw<TensorException>().WithMessage("Embedding: id 10 at position [1, 0] is not in 0..9*");
            FluentActions.Invoking(() => b.EmbeddingBackward(Normal(b, [2, 2, 4], 1), ids, table)).Should().Throw<TensorException>();
            FluentActions.Invoking(() => b.Embedding(Tensor.From([-1L], [1], b), table)).Should().Throw<TensorException>().WithMessage("*id -1 at position 0*");
        }
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(4, 15)]
    [InlineData(6, 1000)]
    [InlineData(5, 13_001)]
    public void Cross_entropy_and_its_gradient(int rows, int classes)
    {
        foreach (var smoothing in new[] { 0f, 0.15f })
        {
            AgreesWithReference(
                b =>
                {
                    var logits = Normal(b, [rows, classes], 1, scale: 8);
                    var labels = Integers(b, [rows], 2, classes);
                    if (rows > 2)
                        b.WriteSlice(labels, Tensor.From([-100L], [1], b), 0, 1);
                    var sums = Tensor.Zeros([rows], DType.Float32, b);
                    var y = b.CrossEntropy(logits, labels, -100, smoothing, sums);
                    var backward = b.CrossEntropyBackward(Tensor.Scalar(1.5f, b), logits, labels, -100, smoothing, sums);
                    return [y, b.CrossEntropy(logits, labels, -100, smoothing, null), backward];
                },
                relative: 2e-5,
                absolute: 1e-6);
        }
    }

    [Fact]
    public void Cross_entropy_of_the_widest_vocabulary() => AgreesWithReference(
        b =>
        {
            var (logits, labels, sums) = (Normal(b, [3, 130_528], 1, scale: 4), Tensor.From([130_527L, 0, 77_777], [3], b), Tensor.Zeros([3], DType.Float32, b));
            return [b.CrossEntropy(logits, labels, -100, 0.1f, sums), sums, b.CrossEntropyBackward(Tensor.Scalar(1, b), logits, labels, -100, 0.1f, sums)];
        },
        relative: 1e-5,
        absolute: 1e-7);

    [Fact]
    public void Without_labels_the_loss_is_not_a_number_and_the_gradient_is_zero() => AgreesWithReference(
        b =>
        {
            var (logits, labels, sums) = (Normal(b, [2, 5], 1), Tensor.From([-1L, -1], [2], b), Tensor.Zeros([2], DType.Float32, b));
            return [b.CrossEntropy(logits, labels, -1, 0, sums), b.CrossEntropyBackward(Tensor.Scalar(1, b), logits, labels, -1, 0, sums), b.CrossEntropy(Normal(b, [0, 5], 1), Tensor.From<long>([], [0], b), -1, 0, null)];
        },
        relative: 0,
        absolute: 0);

    [Fact]
    public void A_logit_that_is_not_a_number_makes_the_loss_not_a_number()
    {
        using var scope = new TensorScope();
        foreach (var b in Backends)
        {
            var logits = Tensor.From(Enumerable.Range(0, 40).Select(i => i == 33 ? float.NaN : i).ToArray(), [1, 40], b);
            float.IsNaN(b.CrossEntropy(logits, Tensor.From([2L], [1], b), -100, 0, null).Item()).Should().BeTrue();
        }
    }

    [Theory]
    [InlineData(DType.Float32, 3e-7)]
    [InlineData(DType.Float16, 1e-3)]
    [InlineData(DType.BFloat16, 8e-3)]
    [InlineData(DType.Float64, 3e-7)]
    public void Steps_with_AdamW(DType dtype, double relative)
    {
        foreach (var count in new[] { 0, 1, 17, 1000, 40_003 })
        {
            AgreesWithReference(
                b =>
                {
                    var parameter = Normal(b, [count], 1, dtype: dtype);
                    var (m, v) = (Normal(b, [count], 3, scale: 0.1f), b.Unary(UnaryOp.Square, Normal(b, [count], 4, scale: 0.1f, mean: 0.5f)));
                    b.AdamWStep(parameter, Normal(b, [count], 2), m, v, new AdamWStep(1e-3, 0.9, 0.999, 1e-8, 0.05, 7, 0.5f));
                    return [parameter, m, v];
                },
                relative,
                absolute: 1e-6);
        }
    }
}
