namespace ChatGLM.Tensors.Tests.Gemm;

public class LinearKernelTests
{
    // rows, outputs, inputs: nothing, one, few rows and many, on and beside the edges of tiles, panels and blocks of every width.
    private static readonly (int Rows, int Outputs, int Inputs)[] Sizes =
    [
        (0, 5, 7), (3, 0, 7), (3, 5, 0), (20, 5, 0), (1, 1, 1), (1, 4, 64), (1, 7, 33), (2, 9, 31), (3, 5, 100), (4, 6, 65), (5, 3, 17), (7, 33, 40), (8, 16, 32),
        (9, 1, 1), (9, 33, 1), (12, 32, 16), (13, 31, 17), (16, 65, 63), (25, 130, 385), (37, 7, 400), (100, 100, 100), (11, 600, 20),
    ];

    private readonly ReferenceBackend _witness = new();

    public static TheoryData<int, DType> WidthsAndTypes()
    {
        var data = new TheoryData<int, DType>();
        foreach (var bits in MatrixData.VectorBits)
        {
            foreach (var dtype in MatrixData.FloatTypes)
                data.Add(bits, dtype);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(WidthsAndTypes))]
    public void Linear_agrees_with_the_witness(int vectorBits, DType dtype)
    {
        var cpu = MatrixData.Cpu(vectorBits);
        foreach (var (rows, outputs, inputs) in Sizes)
        {
            foreach (var biasType in new DType?[] { null, DType.Float32, dtype })
            {
                var x = MatrixData.Random(_witness, [rows, inputs], seed: 1);
                var w = MatrixData.Random(_witness, [outputs, inputs], dtype, seed: 2);
                var bias = biasType is null ? null : MatrixData.Random(_witness, [outputs], biasType.Value, seed: 3);
                var expected = _witness.Linear(x, new DenseWeight(w), bias);
                var magnitude = _witness.Linear(x.Absolute(), new DenseWeight(w.Absolute()), bias?.Absolute());
                var actual = cpu.Linear(x.On(cpu), new DenseWeight(w.On(cpu)), bias?.On(cpu));
                actual.ShouldBeProduct(expected, magnitude, inputs);
            }
        }
    }

    [Theory]
    [MemberData(nameof(WidthsAndTypes))]
    public void LinearBackwardInput_agrees_with_the_witness(int vectorBits, DType dtype)
    {
        var cpu = MatrixData.Cpu(vectorBits);
        foreach (var (rows, outputs, inputs) in Sizes)
        {
            var dy = MatrixData.Random(_witness, [rows, outputs], seed: 1);
            var w = MatrixData.Random(_witness, [outputs, inputs], dtype, seed: 2);
            var expected = _witness.LinearBackwardInput(dy, new DenseWeight(w));
            var magnitude = _witness.LinearBackwardInput(dy.Absolute(), new DenseWeight(w.Absolute()));
            cpu.LinearBackwardInput(dy.On(cpu), new DenseWeight(w.On(cpu))).ShouldBeProduct(expected, magnitude, outputs);
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(128)]
    [InlineData(256)]
    [InlineData(512)]
    public void LinearBackwardWeight_adds_to_the_gradient(int vectorBits)
    {
        var cpu = MatrixData.Cpu(vectorBits);
        foreach (var (rows, outputs, inputs) in Sizes)
        {
            var dy = MatrixData.Random(_witness, [rows, outputs], seed: 1);
            var x = MatrixData.Random(_witness, [rows, inputs], seed: 2);
            var start = MatrixData.Random(_witness, [outputs, inputs], seed: 3);
            var (expected, magnitude, actual) = (start.On(_witness), start.Absolute(), start.On(cpu));
            _witness.LinearBackwardWeight(dy, x, expected);
            _witness.LinearBackwardWeight(dy.Absolute(), x.Absolute(), magnitude);
            cpu.LinearBackwardWeight(dy.On(cpu), x.On(cpu), actual);
            actual.ShouldBeProduct(expected, magnitude, rows);
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(128)]
    [InlineData(256)]
    [InlineData(512)]
    public void Gives_the_same_bits_for_any_number_of_threads(int vectorBits)
    {
        // Large enough that every operation is cut into many tasks.
        foreach (var (rows, outputs, inputs) in new[] { (1, 700, 515), (6, 500, 200), (150, 300, 500), (330, 40, 900), (20, 1100, 130) })
        {
            byte[]? expected = null;
            foreach (var threads in new[] { 1, 2, 3, 5 })
            {
                var cpu = MatrixData.Cpu(vectorBits, threads);
                var x = MatrixData.Random(cpu, [rows, inputs], seed: 1);
                var dy = MatrixData.Random(cpu, [rows, outputs], seed: 2);
                var w = new DenseWeight(MatrixData.Random(cpu, [outputs, inputs], DType.Float16, seed: 3));
                var bias = MatrixData.Random(cpu, [outputs], seed: 4);
                var grad = MatrixData.Random(cpu, [outputs, inputs], seed: 5);
                var y = cpu.Linear(x, w, bias);
                var dx = cpu.LinearBackwardInput(dy, w);
                cpu.LinearBackwardWeight(dy, x, grad);
                var actual = new byte[y.ByteLength + dx.ByteLength + grad.ByteLength];
                y.Read(0, actual.AsSpan(0, (int)y.ByteLength));
                dx.Read(0, actual.AsSpan((int)y.ByteLength, (int)dx.ByteLength));
                grad.Read(0, actual.AsSpan((int)(y.ByteLength + dx.ByteLength)));
                expected ??= actual;
                actual.AsSpan().SequenceEqual(expected).Should().BeTrue($"{threads} threads must give the bits of one thread at {rows} x {outputs} x {inputs}");
            }
        }
    }

    [Fact]
    public void Keeps_the_outer_axes_of_its_input()
    {
        var cpu = MatrixData.Cpu();
        var w = new DenseWeight(MatrixData.Random(cpu, [5, 7]));
        cpu.Linear(MatrixData.Random(cpu, [2, 3, 7]), w, null).Shape.Should().Be(new Shape(2, 3, 5));
        cpu.Linear(MatrixData.Random(cpu, [7]), w, null).Shape.Should().Be(new Shape(5));
        cpu.Linear(MatrixData.Random(cpu, [2, 0, 7]), w, null).Shape.Should().Be(new Shape(2, 0, 5));
        cpu.LinearBackwardInput(MatrixData.Random(cpu, [2, 3, 5]), w).Shape.Should().Be(new Shape(2, 3, 7));
    }

    [Fact]
    public void Reads_nothing_behind_the_end_of_a_mapped_weight()
    {
        // The matrix ends with the last byte of a page of the file: a read behind it would be a fault of the process.
        var path = Path.GetTempFileName();
        try
        {
            const int Outputs = 5;
            foreach (var inputs in new[] { 1, 3, 33, 67 })
            {
                const int FileBytes = 65536;
                var matrixBytes = Outputs * inputs * 2;
                File.WriteAllBytes(path, new byte[FileBytes]);
                var file = MappedFile.Open(path);
                foreach (var bits in MatrixData.VectorBits)
                {
                    var cpu = MatrixData.Cpu(bits);
                    var w = new DenseWeight(Tensor.FromMapped(file, FileBytes - matrixBytes, [Outputs, inputs], DType.Float16, cpu));
                    foreach (var rows in new[] { 1, 3, 20 })
                    {
                        cpu.Linear(MatrixData.Random(cpu, [rows, inputs]), w, null).ToArray<float>().Should().OnlyContain(value => value == 0);
                        cpu.LinearBackwardInput(MatrixData.Random(cpu, [rows, Outputs]), w).ToArray<float>().Should().OnlyContain(value => value == 0);
                    }

                    w.Tensor.Dispose();
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
    public void Passes_infinity_and_NaN_through()
    {
        foreach (var bits in MatrixData.VectorBits)
        {
            var cpu = MatrixData.Cpu(bits);
            foreach (var rows in new[] { 1, 4, 20 })
            {
                var x = Tensor.Full([rows, 40], 1, backend: cpu);
                var values = new Half[3 * 40];
                values[5] = Half.PositiveInfinity;
                values[40 + 39] = Half.NegativeInfinity;
                values[80 + 20] = Half.NaN;
                var y = cpu.Linear(x, new DenseWeight(Tensor.From(values, [3, 40], cpu)), null).ToArray<float>();
                y.Take(3).Should().Equal(float.PositiveInfinity, float.NegativeInfinity, float.NaN);
            }
        }
    }

    [Theory]
    [InlineData(1e37f, 1f)]
    [InlineData(1e30f, 65504f)]
    [InlineData(1f, 65504f)]
    [InlineData(1f, 6e-8f)]
    [InlineData(1e-30f, 65504f)]
    [InlineData(1e-30f, 6e-8f)]
    [InlineData(1e-38f, 1f)]
    public void Computes_with_very_large_and_very_small_numbers(float xScale, float weightScale)
    {
        foreach (var bits in MatrixData.VectorBits)
        {
            var cpu = MatrixData.Cpu(bits);
            foreach (var rows in new[] { 1, 3, 20 })
            {
                var x = _witness.Affine(MatrixData.Random(_witness, [rows, 70], seed: 1), xScale, 0);
                var values = MatrixData.Random(_witness, [6, 70], seed: 2).ToArray<float>();
                var w = Tensor.From(Array.ConvertAll(values, value => (Half)(value * weightScale)), [6, 70], _witness);
                var actual = cpu.Linear(x.On(cpu), new DenseWeight(w.On(cpu)), null).ToArray<float>();
                var expected = _witness.Linear(x, new DenseWeight(w), null).ToArray<float>();
                var magnitude = _witness.Linear(x.Absolute(), new DenseWeight(w.Absolute()), null).ToArray<float>();
                for (var i = 0; i < actual.Length; i++)
                {
                    // Denormal x count as zero: at most 2^-126 of each of the 70 terms is lost, and as much in the result.
                    var bound = (72 * Math.Pow(2, -24) * magnitude[i]) + ((70 * weightScale) + 1) * Math.Pow(2, -126);
                    Math.Abs((double)actual[i] - expected[i]).Should().BeLessThanOrEqualTo(bound);
                }
            }
        }
    }

    [Fact]
    public void Overflows_to_infinity_only_where_the_result_does()
    {
        foreach (var bits in MatrixData.VectorBits)
        {
            var cpu = MatrixData.Cpu(bits);
            var w = new DenseWeight(Tensor.From(Enumerable.Repeat((Half)65504, 40).ToArray(), [1, 40], cpu));
            foreach (var rows in new[] { 1, 2, 20 })
            {
                cpu.Linear(Tensor.Full([rows, 40], 1e32, backend: cpu), w, null).ToArray<float>().Should().OnlyContain(value => value > 2.6e38f && value < 2.7e38f);
                cpu.Linear(Tensor.Full([rows, 40], 1e33, backend: cpu), w, null).ToArray<float>().Should().OnlyContain(value => float.IsPositiveInfinity(value));
                cpu.Linear(Tensor.Full([rows, 40], float.PositiveInfinity, backend: cpu), w, null).ToArray<float>().Should().OnlyContain(value => float.IsPositiveInfinity(value));
                cpu.Linear(Tensor.Full([rows, 40], float.NaN, backend: cpu), w, null).ToArray<float>().Should().OnlyContain(value => float.IsNaN(value));
            }
        }
    }

    [Fact]
    public void Refuses_element_types_it_cannot_compute_with()
    {
        var cpu = MatrixData.Cpu();
        var x = MatrixData.Random(cpu, [2, 4]);
        var wide = new DenseWeight(MatrixData.Random(cpu, [3, 4], DType.Float64));
        var act = () => cpu.Linear(x, wide, null);
        act.Should().Throw<TensorException>().WithMessage("*float64*");
        act = () => cpu.Linear(MatrixData.Random(cpu, [2, 4], DType.Float16), new DenseWeight(MatrixData.Random(cpu, [3, 4])), null);
        act.Should().Throw<TensorException>().WithMessage("*float16*");
    }

    [Fact]
    public void Leaves_no_buffer_on_loan()
    {
        var cpu = MatrixData.Cpu();
        using (new TensorScope())
        {
            var x = MatrixData.Random(cpu, [30, 40]);
            var w = new DenseWeight(MatrixData.Random(cpu, [50, 40], DType.BFloat16));
            cpu.LinearBackwardInput(cpu.Linear(x, w, MatrixData.Random(cpu, [50], DType.BFloat16)), w);
        }

        cpu.Memory.LoanedBuffers.Should().Be(0);
    }
}
