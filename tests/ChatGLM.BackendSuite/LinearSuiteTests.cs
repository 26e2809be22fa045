using static ChatGLM.Tensors.Tests.Kernels.KernelCheck;

namespace ChatGLM.Tensors.Tests.Kernels;

/// <summary>Matrix products over every format of a weight, and the optimizer's step. Sums are as long as the bound allows for: a product's error grows with its inputs.</summary>
[Collection(KernelCheck.Collection)]
public class LinearSuiteTests
{
    public static TheoryData<int, int, int> Sizes => new()
    {
        // rows, outputs, inputs
        { 1, 1, 2 }, { 1, 40, 64 }, { 3, 7, 34 }, { 4, 6, 66 }, { 9, 33, 2 }, { 16, 65, 62 }, { 0, 5, 8 }, { 3, 0, 8 },
    };

    [Theory]
    [MemberData(nameof(Sizes))]
    public void A_dense_weight_forward_and_backward(int rows, int outputs, int inputs)
    {
        foreach (var dtype in new[] { DType.Float32, DType.Float16, DType.BFloat16 })
        {
            foreach (var hasBias in new[] { false, true })
            {
                AgreesOverThreads(b =>
                {
                    var weight = new DenseWeight(Normal(b, [outputs, inputs], 1, dtype: dtype));
                    var x = Normal(b, [1, rows, inputs], 2);
                    var dy = Normal(b, [1, rows, outputs], 3);
                    var grad = Normal(b, [outputs, inputs], 4);
                    b.LinearBackwardWeight(dy, x, grad);
                    return [b.Linear(x, weight, hasBias ? Normal(b, [outputs], 5, dtype: dtype) : null), b.LinearBackwardInput(dy, weight), grad];
                });
            }
        }
    }

    [Theory]
    [MemberData(nameof(Sizes))]
    public void A_row_quantized_weight_forward_and_backward(int rows, int outputs, int inputs)
    {
        foreach (var bits in new[] { 8, 4 })
        {
            foreach (var (scaleType, dividesByStored) in new[] { (DType.Float32, false), (DType.Float16, true), (DType.BFloat16, true), (DType.Float16, false) })
            {
                AgreesOverThreads(b =>
                {
                    var weight = b.Quantize(Normal(b, [outputs, inputs], 1), new RowQuantization(bits, scaleType, dividesByStored));
                    return [b.Linear(Normal(b, [rows, inputs], 2), weight, Normal(b, [outputs], 5)), b.LinearBackwardInput(Normal(b, [rows, outputs], 3), weight)];
                });
            }
        }
    }

    [Theory]
    [MemberData(nameof(Sizes))]
    public void Quantizes_and_widens_to_the_bit(int rows, int outputs, int inputs)
    {
        _ = rows;
        foreach (var bits in new[] { 8, 4 })
        {
            foreach (var dtype in new[] { DType.Float32, DType.Float16, DType.BFloat16 })
            {
                AgreesWithReference(
                    b =>
                    {
                        var matrix = Normal(b, [outputs, inputs], 1, dtype: dtype);
                        if (outputs > 0)
                            b.WriteSlice(matrix, Tensor.Zeros([1, inputs], dtype, b), 0, 0);
                        var weight = b.Quantize(matrix, new RowQuantization(bits, DType.Float16, DividesByStoredScale: bits == 8));
                        return [weight.Weight, weight.Scale, b.Dequantize(weight)];
                    },
                    relative: 0,
                    absolute: 0);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Sizes))]
    public void A_group_quantized_weight_is_widened_to_the_bit_and_trained_through(int rows, int outputs, int inputs)
    {
        var plain = new ReferenceBackend();
        foreach (var how in new[] { new GroupQuantization(8, 32), new GroupQuantization(4, 32), new GroupQuantization(4, 64, HasMinimum: true), new GroupQuantization(8, 128) })
        {
            // One packed form for all: which of two steps of nearly the same error fits a group better is each quantizer's own to find.
            var made = plain.Quantize(Normal(plain, [outputs, inputs], 1, dtype: DType.BFloat16), how);
            GroupQuantizedWeight Packed(Backend b) => new(made.Weight.On(b), made.Scale.On(b), made.Minimum?.On(b), outputs, inputs, how);
            AgreesWithReference(b => [b.Dequantize(Packed(b))], relative: 0, absolute: 0);
            AgreesOverThreads(b => [b.Linear(Normal(b, [rows, inputs], 2), Packed(b), Normal(b, [outputs], 5)), b.LinearBackwardInput(Normal(b, [rows, outputs], 3), Packed(b))]);
        }
    }

    [Fact]
    public void A_group_quantized_weight_comes_close_to_its_matrix()
    {
        using var scope = new TensorScope();
        foreach (var b in Backends)
        {
            var matrix = Normal(b, [40, 70], 1);
            foreach (var (how, steps) in new[] { (new GroupQuantization(8, 32), 254), (new GroupQuantization(4, 32), 14), (new GroupQuantization(4, 64, HasMinimum: true), 14) })
            {
                var error = b.Add(b.Dequantize(b.Quantize(matrix, how)), matrix, -1).ToFloatArray().Max(Math.Abs);
                // A step of the widest group: half of it by rounding, and more where the outermost number of the shorter side is cut off.
                error.Should().BeLessThan(matrix.ToFloatArray().Max(Math.Abs) * 2 / steps);
            }
        }
    }

    [Fact]
    public void Refuses_to_quantize_what_is_no_number()
    {
        using var scope = new TensorScope();
        foreach (var b in Backends)
        {
            var matrix = Tensor.From([1f, 2, 3, float.PositiveInfinity], [2, 2], b);
            FluentActions.Invoking(() => b.Quantize(matrix, new RowQuantization(8, DType.Float16, false))).Should().Throw<TensorException>().WithMessage("*row 1*infinity*");
        }
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public void Batched_products(bool transposeA, bool transposeB) => AgreesOverThreads(b =>
        [b.MatMul(Normal(b, transposeA ? [2, 3, 17, 9] : [2, 3, 9, 17], 1), Normal(b, transposeB ? [2, 3, 5, 17] : [2, 3, 17, 5], 2), transposeA, transposeB)]);

    [Fact]
    public void Three_steps_of_AdamW() => AgreesWithReference(
        b =>
        {
            var results = new List<Tensor>();
            foreach (var dtype in new[] { DType.Float32, DType.Float16, DType.BFloat16 })
            {
                var parameter = Normal(b, [100], 1, dtype: dtype);
                var (m, v) = (Tensor.Zeros([100], DType.Float32, b), Tensor.Zeros([100], DType.Float32, b));
                for (var step = 1; step <= 3; step++)
                    b.AdamWStep(parameter, Normal(b, [100], 10 + step), m, v, new AdamWStep(0.01, 0.9, 0.99, 1e-8, 0.1, step, step == 2 ? 0.5f : 1));
                // A half may round the other way where the step falls on the middle between two of them.
                results.AddRange(dtype == DType.Float32 ? [parameter, m, v] : [m, v]);
            }

            return [.. results];
        },
        relative: 2e-6,
        absolute: 1e-6);

    [Fact]
    public void Bytes_go_in_and_come_out_wherever_they_begin()
    {
        using var scope = new TensorScope();
        foreach (var b in Backends)
        {
            var tensor = Tensor.From(Enumerable.Range(0, 12).Select(i => (float)i).ToArray(), [3, 4], b);
            b.Write(tensor, 6, [0x80, 0x3F, 0, 0]);
            var bytes = new byte[48];
            b.Read(tensor, 0, bytes);
            bytes.AsSpan(4, 8).ToArray().Should().Equal(0, 0, 0x80, 0x3F, 0, 0, 0, 0x40);
            var some = new byte[5];
            b.Read(tensor, 5, some);
            some.Should().Equal(0, 0x80, 0x3F, 0, 0);
            FluentActions.Invoking(() => b.Write(tensor, 45, new byte[4])).Should().Throw<TensorException>();
        }
    }

    /// <summary>Products may differ between vector widths, as the suite's backends do here; values are held to the bound, bits are not compared.</summary>
    private static void AgreesOverThreads(Func<Backend, Tensor[]> kernel) => AgreesWithReference(kernel, relative: 1e-5, absolute: 2e-5, comparesBits: false);
}
