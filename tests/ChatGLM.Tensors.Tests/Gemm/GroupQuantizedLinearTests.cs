using System.Runtime.Intrinsics.X86;
using ChatGLM.Tensors.Kernels;

namespace ChatGLM.Tensors.Tests.Gemm;

public class GroupQuantizedLinearTests
{
    // rows, outputs, inputs: nothing, one, few rows and many, on and beside the edges of tiles, blocks of 16 rows and groups.
    private static readonly (int Rows, int Outputs, int Inputs)[] Sizes =
    [
        (0, 5, 7), (3, 0, 7), (3, 5, 0), (20, 5, 0), (1, 1, 1), (1, 16, 64), (1, 7, 33), (2, 33, 31), (3, 5, 100), (4, 48, 128), (5, 17, 129), (7, 33, 40),
        (9, 1, 1), (9, 33, 2), (13, 31, 17), (16, 65, 63), (25, 130, 385), (37, 15, 400), (11, 100, 1100),
    ];

    private static readonly GroupQuantization[] Formats =
    [
        new(4, 32), new(4, 64), new(4, 128), new(4, 32, HasMinimum: true), new(4, 64, HasMinimum: true), new(4, 128, HasMinimum: true), new(8, 32), new(8, 64), new(8, 128),
    ];

    private readonly ReferenceBackend _witness = new();

    public static TheoryData<int> VectorBits() => new(MatrixData.VectorBits);

    [Fact]
    public void Every_path_gives_the_bits_of_the_witness_for_any_number_of_threads()
    {
        foreach (var format in Formats)
        {
            foreach (var (rows, outputs, inputs) in Sizes)
            {
                var x = MatrixData.Random(_witness, [rows, inputs], seed: 1);
                var w = RandomWeight(_witness, outputs, inputs, format);
                var bias = outputs % 2 == 0 ? null : MatrixData.Random(_witness, [outputs], seed: 3);
                var expected = Bytes(_witness.LinearInference(x, w, bias));
                foreach (var path in Paths())
                {
                    foreach (var threads in new[] { 1, 3 })
                    {
                        var cpu = new CpuBackend(new() { Threads = threads }) { IntegerPath = path };
                        var actual = Bytes(cpu.LinearInference(x.On(cpu), On(w, cpu), bias?.On(cpu)));
                        actual.AsSpan().SequenceEqual(expected).Should().BeTrue($"{path} on {threads} threads must give the witness's bits for {format} at {rows} x {outputs} x {inputs}");
                    }
                }
            }
        }
    }

    [Fact]
    public void Large_products_are_the_same_bits_on_every_path_and_for_any_number_of_threads_and_rows()
    {
        // Large enough for many tasks, several blocks of depth and of rows.
        foreach (var format in new[] { new GroupQuantization(4, 32), new(4, 64, HasMinimum: true), new(8, 128) })
        {
            foreach (var (rows, outputs, inputs) in new[] { (1, 2000, 1100), (150, 330, 4200) })
            {
                byte[]? expected = null;
                foreach (var path in Paths())
                {
                    foreach (var threads in new[] { 1, 2, 5 })
                    {
                        var cpu = new CpuBackend(new() { Threads = threads }) { IntegerPath = path };
                        var w = cpu.Quantize(MatrixData.Random(cpu, [outputs, inputs], DType.BFloat16, seed: 3), format);
                        var x = MatrixData.Random(cpu, [rows, inputs], seed: 1);
                        var actual = Bytes(cpu.LinearInference(x, w, null));
                        expected ??= actual;
                        actual.AsSpan().SequenceEqual(expected).Should().BeTrue($"{path} on {threads} threads, {format} at {rows} x {outputs} x {inputs}");
                        var last = cpu.LinearInference(cpu.Slice(x, 0, rows - 1, 1), w, null);
                        Bytes(last).AsSpan().SequenceEqual(expected.AsSpan(^(outputs * 4)..)).Should().BeTrue("a row alone gives what it gives among others");
                    }
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(VectorBits))]
    public void Linear_with_activations_as_they_are_agrees_with_the_witness(int vectorBits)
    {
        var cpu = new CpuBackend(new() { MaxVectorBits = vectorBits, Threads = 2, RoundsActivations = false });
        foreach (var format in Formats)
        {
            foreach (var (rows, outputs, inputs) in Sizes)
            {
                var x = MatrixData.Random(_witness, [rows, inputs], seed: 1);
                var w = RandomWeight(_witness, outputs, inputs, format);
                var bias = MatrixData.Random(_witness, [outputs], DType.Float16, seed: 3);
                var dense = _witness.Dequantize(w);
                var expected = _witness.Linear(x, new DenseWeight(dense), bias);

                // With a minimum an element is a difference of two parts, each of which is rounded on its own.
                var parts = w.Minimum is null ? dense.Absolute() : _witness.Add(dense.Absolute(), Minimums(w).Absolute(), 2);
                var magnitude = _witness.Linear(x.Absolute(), new DenseWeight(parts), bias.Absolute());
                foreach (var actual in new[] { cpu.Linear(x.On(cpu), On(w, cpu), bias.On(cpu)), cpu.LinearInference(x.On(cpu), On(w, cpu), bias.On(cpu)) })
                    actual.ShouldBeProduct(expected, magnitude, inputs + 3);
            }
        }
    }

    [Theory]
    [MemberData(nameof(VectorBits))]
    public void LinearBackwardInput_agrees_with_the_witness(int vectorBits)
    {
        var cpu = MatrixData.Cpu(vectorBits);
        foreach (var format in Formats)
        {
            foreach (var (rows, outputs, inputs) in Sizes)
            {
                var dy = MatrixData.Random(_witness, [rows, outputs], seed: 1);
                var w = RandomWeight(_witness, outputs, inputs, format);
                var dense = _witness.Dequantize(w);
                var expected = _witness.LinearBackwardInput(dy, new DenseWeight(dense));
                var magnitude = _witness.LinearBackwardInput(dy.Absolute(), new DenseWeight(dense.Absolute()));
                cpu.LinearBackwardInput(dy.On(cpu), On(w, cpu)).ShouldBeProduct(expected, magnitude, outputs + 1);
            }
        }
    }

    [Theory]
    [MemberData(nameof(VectorBits))]
    public void Dequantizes_every_element_exactly(int vectorBits)
    {
        var cpu = MatrixData.Cpu(vectorBits);
        foreach (var format in Formats)
        {
            foreach (var (_, outputs, inputs) in Sizes)
            {
                var w = RandomWeight(_witness, outputs, inputs, format);
                Bytes(cpu.Dequantize(On(w, cpu))).Should().Equal(Bytes(_witness.Dequantize(w)));
            }
        }
    }

    [Fact]
    public void Quantizes_as_well_as_the_witness_and_to_the_same_bits_on_every_width()
    {
        foreach (var format in Formats)
        {
            foreach (var (outputs, inputs) in new[] { (1, 1), (5, 7), (16, 128), (33, 200), (20, 257) })
            {
                foreach (var dtype in MatrixData.FloatTypes)
                {
                    var matrix = MatrixData.Random(_witness, [outputs, inputs], dtype, seed: 5);
                    var expected = SquaredError(_witness.Dequantize(_witness.Quantize(matrix, format)), matrix);
                    byte[]? bits = null;
                    foreach (var width in MatrixData.VectorBits)
                    {
                        var cpu = MatrixData.Cpu(width);
                        var w = cpu.Quantize(matrix.On(cpu), format);
                        byte[] actual = [.. Bytes(w.Weight), .. Bytes(w.Scale), .. w.Minimum is null ? [] : Bytes(w.Minimum)];
                        bits ??= actual;
                        actual.Should().Equal(bits, "{0} bits, {1}", width, format);

                        // Where two steps are about equally good, sums in float32 may choose the other one, which shows where there are few groups.
                        if (outputs * inputs < 1000)
                            continue;
                        SquaredError(cpu.Dequantize(w), matrix).Should().BeApproximately(expected, (0.01 * expected) + 1e-9, "{0} at {1} x {2}", format, outputs, inputs);
                    }
                }
            }
        }
    }

    [Theory]
    [InlineData(4, 32, false, 0.09)]
    [InlineData(4, 32, true, 0.085)]
    [InlineData(4, 128, false, 0.12)]
    [InlineData(8, 32, false, 0.006)]
    [InlineData(8, 128, false, 0.0075)]
    public void The_error_of_a_normal_weight_is_what_the_bits_allow(int bits, int groupSize, bool hasMinimum, double bound)
    {
        var cpu = MatrixData.Cpu();
        var matrix = Tensor.Zeros([64, 1024], backend: cpu);
        new TorchGenerator(3).Normal(matrix.AsSpan<float>(), 0, 0.02);
        var error = SquaredError(cpu.Dequantize(cpu.Quantize(matrix, new GroupQuantization(bits, groupSize, hasMinimum))), matrix);
        Math.Sqrt(error / cpu.SumOfSquares(matrix)).Should().BeInRange(bound / 2, bound);
    }

    [Fact]
    public void The_error_of_rounded_activations_is_small_beside_that_of_the_weight()
    {
        var cpu = MatrixData.Cpu();
        var matrix = Tensor.Zeros([256, 2048], backend: cpu);
        var x = Tensor.Zeros([16, 2048], backend: cpu);
        var generator = new TorchGenerator(3);
        generator.Normal(matrix.AsSpan<float>(), 0, 0.02);
        generator.Normal(x.AsSpan<float>(), 0, 1);
        for (var i = 0; i < 16; i++)
            x.AsSpan<float>()[(i * 2048) + 77] = 40; // such channels are in every language model
        var exact = cpu.Linear(x, new DenseWeight(matrix), null);
        var w = cpu.Quantize(matrix, new GroupQuantization(4, 32));
        var ofWeight = SquaredError(cpu.Linear(x, w, null), exact);
        var ofBoth = SquaredError(cpu.LinearInference(x, w, null), exact);
        ofBoth.Should().BeLessThan(1.05 * ofWeight);
    }

    [Fact]
    public void Groups_of_zeros_stay_zero_and_numbers_that_are_not_finite_show_in_the_result()
    {
        foreach (var format in Formats)
        {
            foreach (var path in Paths())
            {
                var cpu = new CpuBackend(new() { Threads = 2 }) { IntegerPath = path };
                var zero = cpu.Quantize(Tensor.Zeros([20, 300], backend: cpu), format);
                cpu.Dequantize(zero).ToArray<float>().Should().OnlyContain(v => v == 0);
                cpu.LinearInference(MatrixData.Random(cpu, [3, 300]), zero, null).ToArray<float>().Should().OnlyContain(v => v == 0);
                var w = RandomWeight(cpu, 20, 300, format);
                foreach (var bad in new[] { float.NaN, float.PositiveInfinity })
                {
                    var x = Tensor.Zeros([2, 300], backend: cpu);
                    x.AsSpan<float>()[299] = bad;
                    var y = cpu.LinearInference(x, w, null).ToArray<float>();
                    y[..20].Should().OnlyContain(v => float.IsNaN(v));
                    y[20..].Should().OnlyContain(v => v == 0);
                }

                // Denormal activations count as zero: their reciprocal is not a number.
                cpu.LinearInference(Tensor.Full([2, 300], 1e-40, backend: cpu), w, null).ToArray<float>().Should().OnlyContain(v => v == 0);
            }
        }
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.NegativeInfinity)]
    public void Refuses_a_matrix_that_is_not_finite(float bad)
    {
        foreach (var width in MatrixData.VectorBits)
        {
            foreach (var at in new[] { 0, 37, 99 })
            {
                var cpu = MatrixData.Cpu(width);
                var values = new float[3 * 100];
                values[(2 * 100) + at] = bad;
                Refused(() => cpu.Quantize(Tensor.From(values, [3, 100], cpu), new GroupQuantization(4, 32)), "*row 2*");
                cpu.Memory.LoanedBuffers.Should().Be(1, "only the matrix is left");
            }
        }
    }

    [Fact]
    public void Refuses_what_the_format_does_not_have()
    {
        var cpu = MatrixData.Cpu();
        var matrix = MatrixData.Random(cpu, [3, 5]);
        Refused(() => cpu.Quantize(matrix, new GroupQuantization(3, 32)), "*bits*8 or 4*3*");
        Refused(() => cpu.Quantize(matrix, new GroupQuantization(4, 48)), "*32, 64 or 128*48*");
        Refused(() => cpu.Quantize(matrix, new GroupQuantization(8, 32, HasMinimum: true)), "*minimum*");
        Refused(() => cpu.Quantize(MatrixData.Random(cpu, [5]), new GroupQuantization(4, 32)), "*matrix*");
        var w = cpu.Quantize(matrix, new GroupQuantization(4, 32, HasMinimum: true));
        Refused(() => new GroupQuantizedWeight(w.Weight, w.Scale, null, 3, 5, w.Format), "*minimum*found none*");
        Refused(() => new GroupQuantizedWeight(w.Weight, w.Scale, w.Minimum, 3, 5, new GroupQuantization(4, 32)), "*minimum*found one*");
        Refused(() => new GroupQuantizedWeight(w.Weight, w.Scale, w.Minimum, 17, 5, w.Format), "*weight*[2, 1, 256]*[1, 1, 256]*");
        Refused(() => new GroupQuantizedWeight(w.Scale, w.Scale, w.Minimum, 3, 5, w.Format), "*uint8*bfloat16*");
    }

    [Fact]
    public void Training_computes_with_the_activations_as_they_are_and_passes_the_gradient_on()
    {
        var cpu = MatrixData.Cpu();
        var layer = new Linear(cpu.Quantize(MatrixData.Random(cpu, [6, 70], seed: 1), new GroupQuantization(4, 32)), MatrixData.Random(cpu, [6], seed: 2));
        layer.RequiresGrad(true);
        layer.NamedParameters().Where(p => p.Parameter.RequiresGrad).Select(p => p.Name).Should().Equal("bias");
        layer.StateDict().Keys.Should().Equal("weight", "weight_scale", "bias");
        var x = MatrixData.Random(cpu, [3, 70], seed: 3);
        x.RequiresGrad = true;
        var exact = Bytes(cpu.Linear(x, layer.Weight, layer.Bias));
        var rounded = Bytes(cpu.LinearInference(x, layer.Weight, layer.Bias));
        rounded.Should().NotEqual(exact);
        Bytes(layer.Forward(x)).Should().Equal(exact);
        var checkpointed = GradientCheckpoint.Run(layer.Forward, x);
        Bytes(checkpointed).Should().Equal(exact, "the first run of a checkpointed part is training too");
        using (GradMode.NoGrad())
            Bytes(layer.Forward(x)).Should().Equal(rounded);
        Functional.Sum(checkpointed).Backward();
        x.Grad!.ToArray<float>().Should().Equal(cpu.LinearBackwardInput(Tensor.Full([3, 6], 1, backend: cpu), layer.Weight).ToArray<float>());
    }

    [Fact]
    public void Reads_nothing_behind_the_end_of_a_mapped_weight()
    {
        // The numbers end with the last byte of a page of the file: a read behind it would be a fault of the process.
        var path = Path.GetTempFileName();
        try
        {
            const int FileBytes = 65536;
            File.WriteAllBytes(path, new byte[FileBytes]);
            var file = MappedFile.Open(path);
            foreach (var format in Formats)
            {
                foreach (var integers in Paths())
                {
                    var cpu = new CpuBackend(new() { Threads = 2, MaxVectorBits = integers == IntegerPath.Scalar ? 0 : 512 }) { IntegerPath = integers };
                    var shape = GroupQuantizedWeight.WeightShape(33, 70, format);
                    using var numbers = Tensor.FromMapped(file, FileBytes - shape.ElementCount, shape, DType.UInt8, cpu);
                    var scaleShape = GroupQuantizedWeight.ScaleShape(33, 70, format);
                    using var scales = Tensor.FromMapped(file, FileBytes - (2 * scaleShape.ElementCount), scaleShape, DType.BFloat16, cpu);
                    var w = new GroupQuantizedWeight(numbers, scales, format.HasMinimum ? scales : null, 33, 70, format);
                    foreach (var rows in new[] { 1, 3, 20 })
                    {
                        cpu.LinearInference(MatrixData.Random(cpu, [rows, 70]), w, null).ToArray<float>().Should().OnlyContain(value => value == 0);
                        cpu.Linear(MatrixData.Random(cpu, [rows, 70]), w, null).ToArray<float>().Should().OnlyContain(value => value == 0);
                        cpu.LinearBackwardInput(MatrixData.Random(cpu, [rows, 33]), w).ToArray<float>().Should().OnlyContain(value => value == 0);
                    }

                    cpu.Dequantize(w).ToArray<float>().Should().OnlyContain(value => value == 0);
                }
            }

            file.Release();
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void Leaves_no_buffer_on_loan()
    {
        var cpu = MatrixData.Cpu();
        using (new TensorScope())
        {
            var w = cpu.Quantize(MatrixData.Random(cpu, [50, 40]), new GroupQuantization(4, 32, HasMinimum: true));
            cpu.LinearBackwardInput(cpu.LinearInference(MatrixData.Random(cpu, [30, 40]), w, MatrixData.Random(cpu, [50], DType.BFloat16)), w);
            cpu.Linear(MatrixData.Random(cpu, [1, 40]), w, null);
            cpu.Dequantize(w);
        }

        cpu.Memory.LoanedBuffers.Should().Be(0);
    }

    /// <summary>Every path that this processor has; AVX-VNNI with its stand-in where it lacks it.</summary>
    private static IEnumerable<IntegerPath> Paths()
    {
        yield return IntegerPath.Scalar;
        yield return IntegerPath.Vector128;
        if (Avx2.IsSupported && Fma.IsSupported)
        {
            yield return IntegerPath.Avx2;
            yield return IntegerPath.AvxVnni;
        }

        if (Avx512BW.IsSupported)
            yield return IntegerPath.Avx512;
    }

    /// <summary>Numbers over the whole range, which files may hold though no quantizer makes all of them.</summary>
    private static GroupQuantizedWeight RandomWeight(Backend backend, int outputs, int inputs, GroupQuantization format)
    {
        var shape = GroupQuantizedWeight.WeightShape(outputs, inputs, format);
        var numbers = new byte[shape.ElementCount];
        new System.Random(outputs + (inputs * 31)).NextBytes(numbers);
        var scaleShape = GroupQuantizedWeight.ScaleShape(outputs, inputs, format);
        var scale = MatrixData.Random(backend, scaleShape, DType.BFloat16, seed: 9);
        var minimum = format.HasMinimum ? MatrixData.Random(backend, scaleShape, DType.BFloat16, seed: 10) : null;
        return new GroupQuantizedWeight(Tensor.From(numbers, shape, backend), scale, minimum, outputs, inputs, format);
    }

    private static GroupQuantizedWeight On(GroupQuantizedWeight weight, Backend backend) =>
        new(weight.Weight.On(backend), weight.Scale.On(backend), weight.Minimum?.On(backend), weight.OutFeatures, weight.InFeatures, weight.Format);

    /// <summary>The minimum of every element, [out, in].</summary>
    private Tensor Minimums(GroupQuantizedWeight weight)
    {
        var zero = Tensor.Zeros(weight.Weight.Shape, DType.UInt8, _witness);
        return _witness.Dequantize(new GroupQuantizedWeight(zero, weight.Scale, weight.Minimum, weight.OutFeatures, weight.InFeatures, weight.Format));
    }

    private static double SquaredError(Tensor actual, Tensor expected) =>
        actual.ToFloatArray().Zip(expected.ToFloatArray(), (a, b) => Math.Pow(a - b, 2)).Sum();

    private static byte[] Bytes(Tensor tensor)
    {
        var bytes = new byte[tensor.ByteLength];
        tensor.Read(0, bytes);
        return bytes;
    }

    private static void Refused(Func<object> act, string message) => act.Should().Throw<TensorException>().WithMessage(message);
}
