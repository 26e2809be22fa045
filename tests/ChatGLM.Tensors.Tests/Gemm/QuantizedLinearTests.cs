namespace ChatGLM.Tensors.Tests.Gemm;

public class QuantizedLinearTests
{
    // rows, outputs, inputs: nothing, one, few rows and many, on and beside the edges of tiles, panels, blocks and bytes of every width. Inputs are made even for 4 bits.
    private static readonly (int Rows, int Outputs, int Inputs)[] Sizes =
    [
        (0, 5, 7), (3, 0, 7), (3, 5, 0), (20, 5, 0), (1, 1, 1), (1, 4, 64), (1, 7, 33), (2, 9, 31), (3, 5, 100), (4, 6, 65), (5, 3, 17), (7, 33, 40), (8, 16, 32),
        (9, 1, 1), (9, 33, 1), (12, 32, 16), (13, 31, 17), (16, 65, 63), (25, 130, 385), (37, 7, 400), (100, 100, 100), (11, 600, 20),
    ];

    private static readonly DType[] ScaleTypes = [DType.Float32, DType.Float16, DType.BFloat16];

    private readonly ReferenceBackend _witness = new();

    public static TheoryData<int, int> WidthsAndBits()
    {
        var data = new TheoryData<int, int>();
        foreach (var width in MatrixData.VectorBits)
        {
            data.Add(width, 8);
            data.Add(width, 4);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(WidthsAndBits))]
    public void Linear_agrees_with_the_witness(int vectorBits, int bits)
    {
        var cpu = MatrixData.Cpu(vectorBits);
        foreach (var (rows, outputs, inputs) in EvenSizes(bits))
        {
            foreach (var scaleType in ScaleTypes)
            {
                var x = MatrixData.Random(_witness, [rows, inputs], seed: 1);
                var w = RandomWeight(_witness, outputs, inputs, bits, scaleType);
                var bias = scaleType == DType.BFloat16 ? null : MatrixData.Random(_witness, [outputs], scaleType, seed: 3);
                var expected = _witness.Linear(x, w, bias);
                var magnitude = _witness.Linear(x.Absolute(), new DenseWeight(_witness.Dequantize(w).Absolute()), bias?.Absolute());
                // One more rounding than a dense weight has: the product with the scale.
                cpu.Linear(x.On(cpu), On(w, cpu), bias?.On(cpu)).ShouldBeProduct(expected, magnitude, inputs + 1);
            }
        }
    }

    [Theory]
    [MemberData(nameof(WidthsAndBits))]
    public void LinearInference_of_one_row_and_of_many_gives_the_bits_of_the_witness_for_any_number_of_threads(int vectorBits, int bits)
    {
        // On and beside the edges of vectors, eights of outputs, tiles, panels and segments of 512 columns.
        foreach (var (rows, outputs, inputs) in new[]
        {
            (1, 3, 0), (1, 0, 6), (1, 1, 2), (1, 4, 64), (1, 7, 34), (1, 8, 128), (1, 21, 1026), (1, 33, 1022), (1, 130, 516),
            (64, 5, 0), (64, 0, 6), (64, 1, 2), (65, 33, 30), (66, 32, 64), (67, 17, 514), (72, 40, 1024), (75, 64, 130), (64, 31, 1538),
        })
        {
            foreach (var scaleType in ScaleTypes)
            {
                var x = MatrixData.Random(_witness, [rows, inputs], seed: 1);
                var w = RandomWeight(_witness, outputs, inputs, bits, scaleType);
                var bias = scaleType == DType.BFloat16 ? null : MatrixData.Random(_witness, [outputs], scaleType, seed: 3);
                var expected = _witness.LinearInference(x, w, bias);
                foreach (var threads in new[] { 1, 3 })
                {
                    var cpu = MatrixData.Cpu(vectorBits, threads);
                    ShouldBeEqual(cpu.LinearInference(x.On(cpu), On(w, cpu), bias?.On(cpu)), expected);
                }
            }
        }
    }

    [Theory]
    [InlineData(8)]
    [InlineData(4)]
    public void Large_products_without_a_gradient_are_the_same_bits_on_every_width_and_for_any_number_of_threads(int bits)
    {
        // Large enough for many tasks, several segments and blocks of outputs.
        foreach (var (rows, outputs, inputs) in new[] { (1, 2003, 1100), (150, 1330, 1700) })
        {
            byte[]? expected = null;
            foreach (var width in MatrixData.VectorBits)
            {
                foreach (var threads in new[] { 1, 2, 5 })
                {
                    var cpu = MatrixData.Cpu(width, threads);
                    var w = RandomWeight(cpu, outputs, inputs, bits, DType.Float16);
                    var x = MatrixData.Random(cpu, [rows, inputs], seed: 1);
                    var actual = Bytes(cpu.LinearInference(x, w, null));
                    expected ??= actual;
                    actual.AsSpan().SequenceEqual(expected).Should().BeTrue($"{width} bits on {threads} threads at {rows} x {outputs} x {inputs}");
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(WidthsAndBits))]
    public void LinearInference_of_few_rows_is_as_good_as_float32(int vectorBits, int bits)
    {
        var cpu = MatrixData.Cpu(vectorBits);
        foreach (var (rows, outputs, inputs) in new[] { (1, 21, 1026), (1, 5, 64), (7, 9, 130), (63, 20, 514) })
        {
            var x = MatrixData.Random(_witness, [rows, inputs], seed: 1);
            var w = RandomWeight(_witness, outputs, inputs, bits, DType.Float16);
            var expected = _witness.Linear(x, w, null);
            var magnitude = _witness.Linear(x.Absolute(), new DenseWeight(_witness.Dequantize(w).Absolute()), null);
            cpu.LinearInference(x.On(cpu), On(w, cpu), null).ShouldBeProduct(expected, magnitude, inputs + 1);
        }
    }

    [Fact]
    public void The_largest_numbers_do_not_overflow_a_segment()
    {
        foreach (var width in MatrixData.VectorBits)
        {
            foreach (var bits in new[] { 8, 4 })
            {
                var cpu = MatrixData.Cpu(width);
                var integers = Enumerable.Repeat(unchecked((sbyte)(bits == 8 ? 0x80 : 0x88)), 2 * 1024 * bits / 8).ToArray();
                var w = new RowQuantizedWeight(Tensor.From(integers, [2, 1024 * bits / 8], cpu), Tensor.Full([2], 1, backend: cpu), bits);
                foreach (var rows in new[] { 1, 77 })
                {
                    var y = cpu.LinearInference(Tensor.Full([rows, 1024], -32767, backend: cpu), w, null).ToArray<float>();
                    y.Should().OnlyContain(value => value == 1024f * 32767 * (bits == 8 ? 128 : 8));
                }
            }
        }
    }

    [Theory]
    [InlineData(8)]
    [InlineData(4)]
    public void The_rounding_of_the_activations_of_many_rows_is_invisible_beside_that_of_the_weights(int bits)
    {
        var cpu = MatrixData.Cpu();
        var matrix = Tensor.Zeros([256, 4096], backend: cpu);
        var x = Tensor.Zeros([64, 4096], backend: cpu);
        var generator = new TorchGenerator(3);
        generator.Normal(matrix.AsSpan<float>(), 0, 0.02);
        generator.Normal(x.AsSpan<float>(), 0, 1);
        var w = cpu.Quantize(matrix, new RowQuantization(bits, DType.Float16, true));
        Error().Should().BeLessThan(4e-5, "an activation is rounded to a 32767th of the largest of 512");
        for (var i = 0; i < 64; i++)
            x.AsSpan<float>()[(i * 4096) + 77] = 40; // such channels are in every language model
        Error().Should().BeLessThan(2e-4, "only the segment with the outlier is rounded more coarsely");
        var unrounded = new CpuBackend(new() { Threads = 2, RoundsActivations = false });
        var exact = Bytes(cpu.Linear(x, w, null)).AsSpan();
        Bytes(unrounded.LinearInference(x.On(unrounded), On(w, unrounded), null)).AsSpan().SequenceEqual(exact).Should().BeTrue("the option switches it off");

        double Error()
        {
            var (expected, rounded) = (cpu.Linear(x, w, null).ToArray<float>(), cpu.LinearInference(x, w, null).ToArray<float>());
            return Math.Sqrt(expected.Zip(rounded, (e, r) => Math.Pow(e - r, 2)).Sum() / expected.Sum(e => Math.Pow(e, 2)));
        }
    }

    [Fact]
    public void Numbers_that_are_not_finite_show_in_the_rows_that_hold_them()
    {
        foreach (var width in MatrixData.VectorBits)
        {
            foreach (var bits in new[] { 8, 4 })
            {
                var cpu = MatrixData.Cpu(width);
                var w = RandomWeight(cpu, 20, 600, bits, DType.Float32);
                foreach (var bad in new[] { float.NaN, float.PositiveInfinity })
                {
                    foreach (var rows in new[] { 1, 66 })
                    {
                        var x = Tensor.Zeros([rows, 600], backend: cpu);
                        x.AsSpan<float>()[599] = bad;
                        var y = cpu.LinearInference(x, w, null).ToArray<float>();
                        y[..20].Should().OnlyContain(v => float.IsNaN(v));
                        y.Skip(20).Where(v => v != 0).Should().BeEmpty();
                    }
                }

                // Denormal activations count as zero: their reciprocal is not a number.
                foreach (var rows in new[] { 1, 64 })
                    cpu.LinearInference(Tensor.Full([rows, 600], 1e-40, backend: cpu), w, null).ToArray<float>().Should().OnlyContain(v => v == 0);
            }
        }
    }

    [Theory]
    [MemberData(nameof(WidthsAndBits))]
    public void LinearBackwardInput_agrees_with_the_witness(int vectorBits, int bits)
    {
        var cpu = MatrixData.Cpu(vectorBits);
        foreach (var (rows, outputs, inputs) in EvenSizes(bits))
        {
            var dy = MatrixData.Random(_witness, [rows, outputs], seed: 1);
            var w = RandomWeight(_witness, outputs, inputs, bits, DType.Float16);
            var expected = _witness.LinearBackwardInput(dy, w);
            var magnitude = _witness.LinearBackwardInput(dy.Absolute(), new DenseWeight(_witness.Dequantize(w).Absolute()));
            cpu.LinearBackwardInput(dy.On(cpu), On(w, cpu)).ShouldBeProduct(expected, magnitude, outputs + 1);
        }
    }

    [Theory]
    [MemberData(nameof(WidthsAndBits))]
    public void Dequantizes_every_element_exactly(int vectorBits, int bits)
    {
        var cpu = MatrixData.Cpu(vectorBits);
        foreach (var (_, outputs, inputs) in EvenSizes(bits))
        {
            foreach (var scaleType in ScaleTypes)
            {
                var w = RandomWeight(_witness, outputs, inputs, bits, scaleType);
                ShouldBeEqual(cpu.Dequantize(On(w, cpu)), _witness.Dequantize(w));
            }
        }
    }

    [Theory]
    [MemberData(nameof(WidthsAndBits))]
    public void Quantizes_to_the_bits_of_the_witness(int vectorBits, int bits)
    {
        var cpu = MatrixData.Cpu(vectorBits);
        foreach (var (_, outputs, inputs) in EvenSizes(bits))
        {
            foreach (var dtype in MatrixData.FloatTypes)
            {
                foreach (var how in new[] { new RowQuantization(bits, DType.Float16, true), new RowQuantization(bits, DType.Float16, false), new RowQuantization(bits, DType.Float32, false) })
                {
                    var matrix = MatrixData.Random(_witness, [outputs, inputs], dtype, seed: 5);
                    var (expected, actual) = (_witness.Quantize(matrix, how), cpu.Quantize(matrix.On(cpu), how));
                    ShouldBeEqual(actual.Weight, expected.Weight);
                    ShouldBeEqual(actual.Scale, expected.Scale);
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(WidthsAndBits))]
    public void Gives_the_same_bits_for_any_number_of_threads(int vectorBits, int bits)
    {
        // Large enough that every operation is cut into many tasks.
        foreach (var (rows, outputs, inputs) in new[] { (1, 700, 516), (6, 500, 200), (60, 300, 450), (150, 40, 500), (20, 1100, 130) })
        {
            byte[]? expected = null;
            foreach (var threads in new[] { 1, 2, 3, 5 })
            {
                var cpu = MatrixData.Cpu(vectorBits, threads);
                var w = cpu.Quantize(MatrixData.Random(cpu, [outputs, inputs], DType.Float16, seed: 3), new RowQuantization(bits, DType.Float16, true));
                var y = cpu.Linear(MatrixData.Random(cpu, [rows, inputs], seed: 1), w, MatrixData.Random(cpu, [outputs], seed: 4));
                var dx = cpu.LinearBackwardInput(MatrixData.Random(cpu, [rows, outputs], seed: 2), w);
                byte[] actual = [.. Bytes(w.Weight), .. Bytes(w.Scale), .. Bytes(y), .. Bytes(dx), .. Bytes(cpu.Dequantize(w))];
                expected ??= actual;
                actual.AsSpan().SequenceEqual(expected).Should().BeTrue($"{threads} threads must give the bits of one thread at {rows} x {outputs} x {inputs}");
            }
        }
    }

    [Fact]
    public void Reads_nothing_behind_the_end_of_a_mapped_weight()
    {
        // The matrix ends with the last byte of a page of the file: a read behind it would be a fault of the process.
        var path = Path.GetTempFileName();
        try
        {
            const int Outputs = 5;
            const int FileBytes = 65536;
            foreach (var (inputs, bits) in new[] { (1, 8), (33, 8), (67, 8), (2, 4), (34, 4), (66, 4) })
            {
                File.WriteAllBytes(path, new byte[FileBytes]);
                var file = MappedFile.Open(path);
                foreach (var width in MatrixData.VectorBits)
                {
                    var cpu = MatrixData.Cpu(width);
                    var columns = inputs * bits / 8;
                    using var integers = Tensor.FromMapped(file, FileBytes - (Outputs * columns), [Outputs, columns], DType.Int8, cpu);
                    var w = new RowQuantizedWeight(integers, Tensor.Full([Outputs], 1, backend: cpu), bits);
                    foreach (var rows in new[] { 1, 3, 70 })
                    {
                        cpu.Linear(MatrixData.Random(cpu, [rows, inputs]), w, null).ToArray<float>().Should().OnlyContain(value => value == 0);
                        cpu.LinearInference(MatrixData.Random(cpu, [rows, inputs]), w, null).ToArray<float>().Should().OnlyContain(value => value == 0);
                        cpu.LinearBackwardInput(MatrixData.Random(cpu, [rows, Outputs]), w).ToArray<float>().Should().OnlyContain(value => value == 0);
                    }

                    cpu.Dequantize(w).ToArray<float>().Should().OnlyContain(value => value == 0);
                }

                file.Release();
            }
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void The_even_column_is_in_the_high_half_of_a_byte_and_both_are_signed()
    {
        var cpu = MatrixData.Cpu();
        var packed = Enumerable.Range(0, 256).Select(b => (sbyte)b).ToArray();
        var values = cpu.Dequantize(new RowQuantizedWeight(Tensor.From(packed, [1, 256], cpu), Tensor.Full([1], 1, backend: cpu), 4)).ToArray<float>();
        for (var b = 0; b < 256; b++)
            (values[2 * b], values[(2 * b) + 1]).Should().Be((Signed(b >> 4), Signed(b & 15)), "of byte {0}", b);
        static float Signed(int nibble) => nibble < 8 ? nibble : nibble - 16;
    }

    [Fact]
    public void A_row_of_zeros_has_scale_zero_and_stays_zero()
    {
        foreach (var bits in new[] { 8, 4 })
        {
            var cpu = MatrixData.Cpu();
            var w = cpu.Quantize(Tensor.Zeros([3, 20], backend: cpu), new RowQuantization(bits, DType.Float16, true));
            w.Scale.ToFloatArray().Should().OnlyContain(s => s == 0);
            cpu.Dequantize(w).ToArray<float>().Should().OnlyContain(v => v == 0);
        }
    }

    [Theory]
    [InlineData(2e-7f)]
    [InlineData(1e-5f)]
    public void A_scale_that_is_a_subnormal_half_does_not_wrap_integers_around(float magnitude)
    {
        foreach (var bits in new[] { 8, 4 })
        {
            var cpu = MatrixData.Cpu();
            var w = cpu.Quantize(Tensor.Full([1, 40], magnitude, backend: cpu), new RowQuantization(bits, DType.Float16, true));
            cpu.Dequantize(w).ToArray<float>().Should().OnlyContain(v => v >= 0 && v <= 2 * magnitude);
        }
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(1e38f)]
    public void Refuses_a_row_that_has_no_finite_scale(float bad)
    {
        foreach (var width in MatrixData.VectorBits)
        {
            var cpu = MatrixData.Cpu(width);
            foreach (var at in new[] { 0, 17, 599 })
            {
                var values = new float[4 * 600];
                values[(2 * 600) + at] = bad;
                var act = () => cpu.Quantize(Tensor.From(values, [4, 600], cpu), new RowQuantization(8, DType.Float16, true));
                act.Should().Throw<TensorException>().WithMessage("*row 2*");
            }
        }
    }

    [Fact]
    public void Refuses_what_it_cannot_hold()
    {
        var cpu = MatrixData.Cpu();
        var matrix = MatrixData.Random(cpu, [3, 5]);
        Refused(() => cpu.Quantize(matrix, new RowQuantization(3, DType.Float16, true)), "*bits*8 or 4*3*");
        Refused(() => cpu.Quantize(matrix, new RowQuantization(4, DType.Float16, true)), "*even number of columns*[3, 5]*");
        Refused(() => cpu.Quantize(matrix, new RowQuantization(8, DType.Int8, true)), "*scales*int8*");
        Refused(() => cpu.Quantize(MatrixData.Random(cpu, [5]), new RowQuantization(8, DType.Float16, true)), "*matrix*");
        using var integers = Tensor.Zeros([3, 4], DType.Int8, cpu);
        using var scale = Tensor.Zeros([3], DType.Float16, cpu);
        Refused(() => new RowQuantizedWeight(integers, scale, 5), "*8 or 4*5*");
        Refused(() => new RowQuantizedWeight(matrix, scale, 8), "*int8*float32*");
        Refused(() => new RowQuantizedWeight(integers, Tensor.Zeros([4], DType.Float16, cpu), 8), "*[3]*[4]*");
        Refused(() => new RowQuantizedWeight(integers, Tensor.Zeros([3], DType.Int8, cpu), 8), "*int8*");
        new RowQuantizedWeight(integers, scale, 4).InFeatures.Should().Be(8);
    }

    [Fact]
    public void A_layer_over_a_quantized_weight_passes_the_gradient_on_and_is_not_trained_itself()
    {
        var cpu = MatrixData.Cpu();
        var layer = new Linear(cpu.Quantize(MatrixData.Random(cpu, [6, 10], seed: 1), new RowQuantization(4, DType.Float16, true)), MatrixData.Random(cpu, [6], seed: 2));
        layer.RequiresGrad(true);
        layer.NamedParameters().Where(p => p.Parameter.RequiresGrad).Select(p => p.Name).Should().Equal("bias");
        layer.StateDict().Keys.Should().Equal("weight", "weight_scale", "bias");
        var x = MatrixData.Random(cpu, [3, 10], seed: 3);
        x.RequiresGrad = true;
        Functional.Sum(layer.Forward(x)).Backward();
        var ones = Tensor.Full([3, 6], 1, backend: cpu);
        x.Grad!.ToArray<float>().Should().Equal(cpu.LinearBackwardInput(ones, layer.Weight).ToArray<float>());
        layer.Bias!.Grad!.ToArray<float>().Should().OnlyContain(g => g == 3);
        FluentActions.Invoking(() => layer.LoadStateDict(new Dictionary<string, Tensor> { ["weight"] = Tensor.Zeros([6, 5], backend: cpu) }, strict: false))
            .Should().Throw<StateDictException>("float numbers cannot become packed integers by conversion").WithMessage("*weight: expected int8*found float32*");
    }

    [Fact]
    public void Leaves_no_buffer_on_loan()
    {
        var cpu = MatrixData.Cpu();
        using (new TensorScope())
        {
            var w = cpu.Quantize(MatrixData.Random(cpu, [50, 40]), new RowQuantization(4, DType.Float16, true));
            cpu.LinearBackwardInput(cpu.Linear(MatrixData.Random(cpu, [30, 40]), w, MatrixData.Random(cpu, [50], DType.BFloat16)), w);
            cpu.Linear(MatrixData.Random(cpu, [1, 40]), w, null);
            cpu.LinearInference(MatrixData.Random(cpu, [1, 40]), w, null);
            cpu.LinearInference(MatrixData.Random(cpu, [70, 40]), w, MatrixData.Random(cpu, [50], DType.BFloat16));
            cpu.Dequantize(w);
            Refused(() => cpu.Quantize(Tensor.Full([2, 2], float.NaN, backend: cpu), new RowQuantization(8, DType.Float16, true)), "*");
        }

        cpu.Memory.LoanedBuffers.Should().Be(0);
    }

    private static IEnumerable<(int Rows, int Outputs, int Inputs)> EvenSizes(int bits) => bits == 8 ? Sizes : Sizes.Select(s => (s.Rows, s.Outputs, s.Inputs + (s.Inputs % 2)));

    /// <summary>Integers over the whole range, -128 and -8 among them, which files may hold though no quantizer makes them.</summary>
    private static RowQuantizedWeight RandomWeight(Backend backend, int outputs, int inputs, int bits, DType scaleType)
    {
        var random = new System.Random(outputs + (inputs * 31));
        var integers = new sbyte[outputs * inputs * bits / 8];
        random.NextBytes(System.Runtime.InteropServices.MemoryMarshal.AsBytes(integers.AsSpan()));
        return new RowQuantizedWeight(Tensor.From(integers, [outputs, inputs * bits / 8], backend), MatrixData.Random(backend, [outputs], scaleType, seed: 9), bits);
    }

    private static RowQuantizedWeight On(RowQuantizedWeight weight, Backend backend) => new(weight.Weight.On(backend), weight.Scale.On(backend), weight.Bits);

    // FluentAssertions' own comparison takes seconds for a matrix.
    private static void ShouldBeEqual(Tensor actual, Tensor expected)
    {
        actual.Shape.Should().Be(expected.Shape);
        var (a, e) = (Bytes(actual), Bytes(expected));
        var at = a.AsSpan().CommonPrefixLength(e);
        at.Should().Be(e.Length, "every byte is the witness's");
    }

    private static byte[] Bytes(Tensor tensor)
    {
        var bytes = new byte[tensor.ByteLength];
        tensor.Read(0, bytes);
        return bytes;
    }

    private static void Refused(Func<object> act, string message) => act.Should().Throw<TensorException>().WithMessage(message);
}
