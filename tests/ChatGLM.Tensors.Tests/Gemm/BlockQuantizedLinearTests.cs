using System.Runtime.Intrinsics.X86;
using ChatGLM.Tensors.Kernels;

namespace ChatGLM.Tensors.Tests.Gemm;

public class BlockQuantizedLinearTests
{
    // rows, outputs, groups of 32 columns (blocks of 256 are eight of them): nothing, one, few rows and many, odd and even, on and beside the edges of chunks, tiles and blocks of depth.
    private static readonly (int Rows, int Outputs, int Groups)[] Sizes =
    [
        (0, 5, 1), (3, 0, 1), (1, 1, 1), (1, 2, 8), (1, 7, 3), (2, 33, 9), (3, 5, 7), (8, 6, 13), (9, 1, 1), (9, 33, 2), (13, 31, 11), (16, 65, 5), (25, 130, 16), (37, 15, 25),
    ];

    private static readonly BlockFormat[] Formats = Enum.GetValues<BlockFormat>();

    private readonly ReferenceBackend _witness = new();

    public static TheoryData<int> VectorBits() => new(MatrixData.VectorBits);

    [Fact]
    public void Every_path_gives_the_bits_of_the_witness_for_any_number_of_threads()
    {
        foreach (var format in Formats)
        {
            foreach (var (rows, outputs, groups) in Sizes.Where(size => size.Rows <= 8))
            {
                var w = RandomWeight(_witness, outputs, groups, format);
                var x = MatrixData.Random(_witness, [rows, w.InFeatures], seed: 1);
                var bias = outputs % 2 == 0 ? null : MatrixData.Random(_witness, [outputs], seed: 3);
                var expected = Bytes(_witness.LinearInference(x, w, bias));
                foreach (var path in Paths())
                {
                    foreach (var threads in new[] { 1, 3 })
                    {
                        var cpu = new CpuBackend(new() { Threads = threads }) { IntegerPath = path };
                        var actual = Bytes(cpu.LinearInference(x.On(cpu), On(w, cpu), bias?.On(cpu)));
                        actual.AsSpan().SequenceEqual(expected).Should().BeTrue($"{path} on {threads} threads must give the witness's bits for {format} at {rows} x {outputs} x {w.InFeatures}");
                    }
                }
            }
        }
    }

    [Fact]
    public void Large_products_are_the_same_bits_on_every_path_and_for_any_number_of_threads_and_rows()
    {
        foreach (var format in Formats)
        {
            byte[]? expected = null;
            foreach (var path in Paths())
            {
                foreach (var threads in new[] { 1, 2, 5 })
                {
                    var cpu = new CpuBackend(new() { Threads = threads }) { IntegerPath = path };
                    var w = RandomWeight(cpu, 501, 48, format);
                    var x = MatrixData.Random(cpu, [3, w.InFeatures], seed: 1);
                    var actual = Bytes(cpu.LinearInference(x, w, null));
                    expected ??= actual;
                    actual.AsSpan().SequenceEqual(expected).Should().BeTrue($"{path} on {threads} threads, {format}");
                    var last = cpu.LinearInference(cpu.Slice(x, 0, 2, 1), w, null);
                    Bytes(last).AsSpan().SequenceEqual(expected.AsSpan(^(501 * 4)..)).Should().BeTrue("a row alone gives what it gives among others");
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
            foreach (var (rows, outputs, groups) in Sizes)
            {
                var w = RandomWeight(_witness, outputs, groups, format);
                var x = MatrixData.Random(_witness, [rows, w.InFeatures], seed: 1);
                var bias = MatrixData.Random(_witness, [outputs], DType.Float16, seed: 3);
                var dense = _witness.Dequantize(w);
                var expected = _witness.Linear(x, new DenseWeight(dense), bias);
                var magnitude = _witness.Linear(x.Absolute(), new DenseWeight(dense.Absolute()), bias.Absolute());
                foreach (var actual in new[] { cpu.Linear(x.On(cpu), On(w, cpu), bias.On(cpu)), cpu.LinearInference(x.On(cpu), On(w, cpu), bias.On(cpu)) })
                    actual.ShouldBeProduct(expected, magnitude, w.InFeatures + 1);
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
            foreach (var (rows, outputs, groups) in Sizes)
            {
                var dy = MatrixData.Random(_witness, [rows, outputs], seed: 1);
                var w = RandomWeight(_witness, outputs, groups, format);
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
            foreach (var (_, outputs, groups) in Sizes)
            {
                var w = RandomWeight(_witness, outputs, groups, format);
                Bytes(cpu.Dequantize(On(w, cpu))).Should().Equal(Bytes(_witness.Dequantize(w)), "{0} x {1} groups of {2}", outputs, groups, format);
            }
        }
    }

    /// <summary>
    /// Blocks written down by hand from the definition of each format, in llama.cpp's ggml-common.h: a few columns of one block, with the numbers that the definition gives. Halves: 0x3800 is 0.5, 0x3C00 is 1, 0x4000 is 2,
    /// 0xC000 is -2, 0x0001 is 2^-24.
    /// </summary>
    public static TheoryData<BlockFormat, string, string> ByHand => new()
    {
        // d = 0.5; bytes 0x10 0x32 ... : column 0 is 0 - 8, column 16 is 1 - 8, column 1 is 2 - 8, column 17 is 3 - 8, column 15 is 15 - 8, column 31 is 14 - 8.
        { BlockFormat.Q4_0, "0038" + "1032" + Zeros(13) + "EF", "0:-4 16:-3.5 1:-3 17:-2.5 2:-4 15:3.5 31:3" },
        // d = 0.5, m = -2.
        { BlockFormat.Q4_1, "003800C0" + "1032" + Zeros(13) + "EF", "0:-2 16:-1.5 1:-1 17:-0.5 2:-2 15:5.5 31:5" },
        // d = 2; fifth bits of columns 0, 9, 16 and 31; bytes as above.
        { BlockFormat.Q5_0, "0040" + "01020180" + "1032" + Zeros(13) + "EF", "0:0 16:2 1:-28 17:-26 2:-32 9:0 15:-2 31:28" },
        // d = 2, m = 1.
        { BlockFormat.Q5_1, "0040003C" + "01020180" + "1032" + Zeros(13) + "EF", "0:33 16:35 1:5 17:7 2:1 9:33 15:31 31:61" },
        // d = -2; bytes 1, -1, 127 and, last, -128.
        { BlockFormat.Q8_0, "00C0" + "01FF7F" + Zeros(28) + "80", "0:-2 1:2 2:-254 3:0 31:256" },
        // d = 1, e = 0.5; s = 1 2 3 4 21 38 55 9, t = 5 6 7 8 42 12 0 63 in 12 bytes; then, of each pair of groups, one byte.
        { BlockFormat.Q4_K, "003C0038" + SixBits([1, 2, 3, 4, 21, 38, 55, 9], [5, 6, 7, 8, 42, 12, 0, 63]) + "21" + Zeros(31) + "43" + Zeros(31) + "65" + Zeros(31) + "87" + Zeros(30) + "F9",
          "0:-1.5 1:-2.5 32:1 33:-3 64:5.5 96:12 128:84 160:222 192:385 193:0 224:40.5 223:495 255:103.5" },
        // The same with fifth bits: byte 0 has those of groups 0 and 7, byte 31 that of group 6.
        { BlockFormat.Q5_K, "003C0038" + SixBits([1, 2, 3, 4, 21, 38, 55, 9], [5, 6, 7, 8, 42, 12, 0, 63]) + "81" + Zeros(30) + "40" + "21" + Zeros(31) + "43" + Zeros(31) + "65" + Zeros(31) + "87" + Zeros(30) + "F9",
          "0:14.5 1:-2.5 32:1 64:5.5 96:12 128:84 160:222 192:385 224:184.5 223:1375 255:103.5" },
        // d = 0.5. Lower bits: column 0 of groups 0 and 2 (byte 0), 1 and 3 (byte 32), and of the second half. Upper bits of column 0: 3, 2, 1, 0 for groups 0 to 3. Scales 1, -2, 3, ... by halves of groups.
        { BlockFormat.Q6_K, "21" + Zeros(31) + "43" + Zeros(31) + "65" + Zeros(62) + "FF" + "1B" + Zeros(31) + Zeros(31) + "C0" + "01FE03FC05FA07F809F60BF40DF20F80" + "0038",
          "0:8.5 16:32 32:4.5 48:64 64:-35 96:-98 112:128 128:-121.5 255:-1984" },
    };

    [Theory]
    [MemberData(nameof(ByHand))]
    public void Blocks_that_were_written_by_hand_mean_what_the_definition_says(BlockFormat format, string block, string elements)
    {
        var (columns, bytes) = BlockQuantizedWeight.BlockOf(format);
        var data = Convert.FromHexString(block);
        data.Should().HaveCount(bytes);
        Backend[] backends = [_witness, .. MatrixData.VectorBits.Select(bits => MatrixData.Cpu(bits))];
        foreach (var backend in backends)
        {
            var values = backend.Dequantize(new BlockQuantizedWeight(Tensor.From(data, [1, bytes], backend), columns, format)).ToArray<float>();
            foreach (var element in elements.Split(' '))
            {
                var (column, value) = (int.Parse(element.Split(':')[0]), float.Parse(element.Split(':')[1], System.Globalization.CultureInfo.InvariantCulture));
                values[column].Should().Be(value, "column {0} of {1}", column, format);
            }
        }
    }

    [Fact]
    public void Subnormal_scales_count()
    {
        // 3 * 2^-24 as a half; 4-bit number 15 is 7 above zero.
        byte[] block = [3, 0, 15, .. new byte[15]];
        foreach (var path in Paths())
        {
            var cpu = new CpuBackend(new() { Threads = 1 }) { IntegerPath = path };
            var w = new BlockQuantizedWeight(Tensor.From([.. Enumerable.Repeat(block, 8).SelectMany(b => b)], [1, 18 * 8], cpu), 256, BlockFormat.Q4_0);
            cpu.Dequantize(w).ToArray<float>()[0].Should().Be(21 * MathF.Pow(2, -24));
            var x = Tensor.Zeros([1, 256], backend: cpu);
            x.AsSpan<float>()[32] = 127;
            cpu.LinearInference(x, w, null).ToArray<float>()[0].Should().Be(127 * 21 * MathF.Pow(2, -24));
        }
    }

    [Fact]
    public void The_error_of_rounded_activations_is_small_beside_that_of_the_weight()
    {
        // A normal weight, put into Q4_0 in the plainest way.
        var cpu = MatrixData.Cpu();
        var matrix = Tensor.Zeros([256, 2048], backend: cpu);
        var x = Tensor.Zeros([8, 2048], backend: cpu);
        var generator = new TorchGenerator(3);
        generator.Normal(matrix.AsSpan<float>(), 0, 0.02);
        generator.Normal(x.AsSpan<float>(), 0, 1);
        for (var i = 0; i < 8; i++)
            x.AsSpan<float>()[(i * 2048) + 77] = 40; // such channels are in every language model
        var bytes = new byte[256 * 64 * 18];
        for (var block = 0; block < 256 * 64; block++)
        {
            var values = matrix.AsSpan<float>().Slice(block * 32, 32);
            var largest = values.ToArray().MaxBy(Math.Abs);
            var scale = (Half)(largest / -8);
            BitConverter.TryWriteBytes(bytes.AsSpan(block * 18), scale);
            for (var i = 0; i < 32; i++)
                bytes[(block * 18) + 2 + (i % 16)] |= (byte)(Math.Clamp((int)MathF.Round(values[i] / (float)scale) + 8, 0, 15) << (i / 16 * 4));
        }

        var w = new BlockQuantizedWeight(Tensor.From(bytes, [256, 64 * 18], cpu), 2048, BlockFormat.Q4_0);
        var exact = cpu.Linear(x, new DenseWeight(matrix), null);
        var ofWeight = SquaredError(cpu.Linear(x, w, null), exact);
        ofWeight.Should().BeGreaterThan(1e-3);
        SquaredError(cpu.LinearInference(x, w, null), exact).Should().BeLessThan(1.05 * ofWeight);
    }

    [Fact]
    public void Numbers_that_are_not_finite_show_in_the_result_and_denormal_ones_count_as_zero()
    {
        foreach (var format in Formats)
        {
            foreach (var path in Paths())
            {
                var cpu = new CpuBackend(new() { Threads = 2 }) { IntegerPath = path };
                var w = RandomWeight(cpu, 20, 9, format);
                foreach (var bad in new[] { float.NaN, float.PositiveInfinity })
                {
                    var x = Tensor.Zeros([2, w.InFeatures], backend: cpu);
                    x.AsSpan<float>()[w.InFeatures - 1] = bad;
                    var y = cpu.LinearInference(x, w, null).ToArray<float>();
                    y[..20].Should().OnlyContain(v => float.IsNaN(v));
                    y[20..].Should().OnlyContain(v => v == 0);
                }

                cpu.LinearInference(Tensor.Full([2, w.InFeatures], 1e-40, backend: cpu), w, null).ToArray<float>().Should().OnlyContain(v => v == 0);
            }
        }
    }

    [Fact]
    public void Training_computes_with_the_activations_as_they_are_and_passes_the_gradient_on()
    {
        var cpu = MatrixData.Cpu();
        var layer = new Linear(RandomWeight(cpu, 6, 8, BlockFormat.Q4_K), MatrixData.Random(cpu, [6], seed: 2));
        layer.RequiresGrad(true);
        layer.NamedParameters().Where(p => p.Parameter.RequiresGrad).Select(p => p.Name).Should().Equal("bias");
        var x = MatrixData.Random(cpu, [3, 256], seed: 3);
        x.RequiresGrad = true;
        var exact = Bytes(cpu.Linear(x, layer.Weight, layer.Bias));
        var rounded = Bytes(cpu.LinearInference(x, layer.Weight, layer.Bias));
        rounded.Should().NotEqual(exact);
        var y = layer.Forward(x);
        Bytes(y).Should().Equal(exact);
        using (GradMode.NoGrad())
            Bytes(layer.Forward(x)).Should().Equal(rounded);
        Functional.Sum(y).Backward();
        x.Grad!.ToArray<float>().Should().Equal(cpu.LinearBackwardInput(Tensor.Full([3, 6], 1, backend: cpu), layer.Weight).ToArray<float>());
    }

    [Fact]
    public void Reads_nothing_behind_the_end_of_a_mapped_weight()
    {
        // The rows end with the last byte of a page of the file: a read behind it would be a fault of the process.
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
                    var cpu = new CpuBackend(new() { Threads = 2, MaxVectorBits = integers == IntegerPath.Scalar ? 0 : integers == IntegerPath.Vector128 ? 128 : 512 }) { IntegerPath = integers };
                    var inputs = BlockQuantizedWeight.BlockOf(format).Columns == 32 ? 32 * 11 : 512;
                    var rowBytes = BlockQuantizedWeight.RowBytes(inputs, format);
                    using var data = Tensor.FromMapped(file, FileBytes - (33 * rowBytes), [33, rowBytes], DType.UInt8, cpu);
                    var w = new BlockQuantizedWeight(data, inputs, format);
                    foreach (var rows in new[] { 1, 3, 20 })
                    {
                        cpu.LinearInference(MatrixData.Random(cpu, [rows, inputs]), w, null).ToArray<float>().Should().OnlyContain(value => value == 0);
                        cpu.Linear(MatrixData.Random(cpu, [rows, inputs]), w, null).ToArray<float>().Should().OnlyContain(value => value == 0);
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
            var w = RandomWeight(cpu, 50, 8, BlockFormat.Q5_K);
            cpu.LinearBackwardInput(cpu.LinearInference(MatrixData.Random(cpu, [30, 256]), w, MatrixData.Random(cpu, [50], DType.BFloat16)), w);
            cpu.LinearInference(MatrixData.Random(cpu, [1, 256]), w, null);
            cpu.Linear(MatrixData.Random(cpu, [1, 256]), w, null);
            cpu.Dequantize(w.SelectRows([3, 3, 49]));
        }

        cpu.Memory.LoanedBuffers.Should().Be(0);
    }

    [Fact]
    public void Refuses_what_does_not_fit()
    {
        var data = Tensor.Zeros([3, 36], DType.UInt8);
        Refused(() => new BlockQuantizedWeight(data, 48, BlockFormat.Q4_0), "*48 columns*Q4_0*multiple of 32*");
        Refused(() => new BlockQuantizedWeight(data, 32, BlockFormat.Q4_0), "*[out, 18]*[3, 36]*");
        Refused(() => new BlockQuantizedWeight(data, 64, BlockFormat.Q4_K), "*64 columns*Q4_K*multiple of 256*");
        Refused(() => new BlockQuantizedWeight(Tensor.Zeros([3, 36], DType.Int8), 64, BlockFormat.Q4_0), "*uint8*int8*");
        new BlockQuantizedWeight(data, 64, BlockFormat.Q4_0).OutFeatures.Should().Be(3);
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

    /// <summary>Every byte at random, but for the halves, which are made numbers of about 1.</summary>
    private static BlockQuantizedWeight RandomWeight(Backend backend, int outputs, int groups, BlockFormat format)
    {
        var (columns, bytes) = BlockQuantizedWeight.BlockOf(format);
        var inputs = columns == 32 ? groups * 32 : (groups + 7) / 8 * 256;
        var rowBytes = BlockQuantizedWeight.RowBytes(inputs, format);
        var data = new byte[outputs * rowBytes];
        var random = new System.Random(outputs + (inputs * 31) + (int)format);
        random.NextBytes(data);
        for (var at = 0; at < data.Length; at += bytes)
        {
            int[] halves = format switch
            {
                BlockFormat.Q4_0 or BlockFormat.Q5_0 or BlockFormat.Q8_0 => [0],
                BlockFormat.Q6_K => [208],
                _ => [0, 2],
            };
            foreach (var half in halves)
                BitConverter.TryWriteBytes(data.AsSpan(at + half), (Half)((random.NextDouble() - 0.5) * (random.Next(8) == 0 ? 1e-4 : 2)));
        }

        return new BlockQuantizedWeight(Tensor.From(data, [outputs, rowBytes], backend), inputs, format);
    }

    private static BlockQuantizedWeight On(BlockQuantizedWeight weight, Backend backend) => new(weight.Data.On(backend), weight.InFeatures, weight.Format);

    private static string Zeros(int bytes) => new('0', 2 * bytes);

    /// <summary>Eight scales and eight minimums of 6 bits in 12 bytes, as ggml-quants.c packs them.</summary>
    private static string SixBits(int[] scales, int[] minimums)
    {
        var packed = new byte[12];
        for (var i = 0; i < 4; i++)
        {
            packed[i] = (byte)(scales[i] | (scales[i + 4] >> 4 << 6));
            packed[i + 4] = (byte)(minimums[i] | (minimums[i + 4] >> 4 << 6));
            packed[i + 8] = (byte)((scales[i + 4] & 15) | ((minimums[i + 4] & 15) << 4));
        }

        return Convert.ToHexString(packed);
    }

    private static double SquaredError(Tensor actual, Tensor expected) => actual.ToFloatArray().Zip(expected.ToFloatArray(), (a, b) => Math.Pow(a - b, 2)).Sum();

    private static byte[] Bytes(Tensor tensor)
    {
        var bytes = new byte[tensor.ByteLength];
        tensor.Read(0, bytes);
        return bytes;
    }

    private static void Refused(Func<object> act, string message) => act.Should().Throw<TensorException>().WithMessage(message);
}
