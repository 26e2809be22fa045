using ChatGLM.Tensors;

namespace ChatGLM.Tensors.Tests.Optim;

public sealed class AdamW8bitTests
{
    private static readonly AdamWOptions Options = new() { LearningRate = 1e-2, WeightDecay = 0.1 };

    /// <summary>Values at some codes as torch 1.13 computes them by bitsandbytes' recipe; builds of it differ in the last digit.</summary>
    [Fact]
    public void The_map_is_that_of_bitsandbytes()
    {
        int[] codes = [0, 1, 100, 126, 127, 128, 129, 200, 254, 255];
        Check(DynamicMap.Signed.ToArray(), [-0.992968738079071f, -0.9789062142372131f, -0.0074687497690320015f, -5.500000384017767e-07f, 0, 5.500000384017767e-07f, 3.250000190746505e-06f,
            0.23359376192092896f, 0.992968738079071f, 1]);
        Check(DynamicMap.Unsigned.ToArray(), [0, 3.2500003044333425e-07f, 0.06273438036441803f, 0.09929687529802322f, 0.103515625f, 0.11054687201976776f, 0.11757812649011612f, 0.6167968511581421f,
            0.9964843988418579f, 1]);

        void Check(float[] map, float[] expected)
        {
            map.Should().HaveCount(256).And.BeInAscendingOrder().And.OnlyHaveUniqueItems();
            codes.Select(code => map[code]).Should().Equal(expected, (a, b) => Math.Abs(a - b) <= 2.5e-7f * Math.Abs(b));
        }
    }

    [Fact]
    public void The_nearest_code_is_found()
    {
        for (var code = 0; code < 256; code++)
        {
            DynamicMap.QuantizeSigned(DynamicMap.Signed[code]).Should().Be((byte)code);
            DynamicMap.QuantizeUnsigned(DynamicMap.Unsigned[code]).Should().Be((byte)code);
        }

        DynamicMap.QuantizeSigned(-1).Should().Be(0);
        DynamicMap.QuantizeUnsigned(0).Should().Be(0);
    }

    [Theory]
    [InlineData(4096)]
    [InlineData(5000)]
    [InlineData(10_000)]
    public void Steps_are_those_of_the_plain_version(int length)
    {
        using var scope = new TensorScope();
        var random = new System.Random(1);
        var values = Enumerable.Range(0, length).Select(_ => (float)random.NextDouble() - 0.5f).ToArray();
        var parameter = Tensor.From(values, [length]);
        parameter.RequiresGrad = true;
        using var optimizer = new AdamW8bit([parameter], Options);
        var plain = new Plain(values);
        for (var step = 1; step <= 6; step++)
        {
            // Slopes of very different sizes, zeros among them; the third step has none at all in the second block.
            var slopes = Enumerable.Range(0, length).Select(i => step == 3 && i / 2048 == 1 ? 0 : i % 7 == 0 ? 0f : (float)(Math.Pow(10, (-8 * random.NextDouble()) + 1) * (random.Next(2) == 0 ? 1 : -1))).ToArray();
            Slope(parameter, slopes);
            optimizer.Step(gradientScale: 0.5);
            plain.Step(slopes, step);
            parameter.ToArray<float>().Should().Equal(plain.Values, (a, b) => Math.Abs(a - b) <= 1e-6f * Math.Max(1, Math.Abs(b)), "step {0}", step);
            var state = optimizer.StateDict();
            state["state.0.state1"].ToArray<byte>().Should().Equal(plain.First);
            state["state.0.state2"].ToArray<byte>().Should().Equal(plain.Second);
        }
    }

    [Fact]
    public void Moments_are_bytes_and_those_of_small_parameters_are_not()
    {
        using var scope = new TensorScope();
        var (large, small) = (Tensor.From(new float[64 * 65], [64, 65]), Tensor.From(new float[100], [100]));
        foreach (var parameter in new[] { large, small })
        {
            parameter.RequiresGrad = true;
            Slope(parameter, [.. Enumerable.Repeat(1f, (int)parameter.ElementCount)]);
        }

        using var optimizer = new AdamW8bit([large, small], Options);
        optimizer.Step();
        var state = optimizer.StateDict();
        state["state.0.state1"].DType.Should().Be(DType.UInt8);
        state["state.0.state2"].DType.Should().Be(DType.UInt8);
        state["state.0.absmax1"].Shape.Should().Be(new Shape(3), "2048 numbers share a scale");
        state.Where(s => s.Key.StartsWith("state.0", StringComparison.Ordinal)).Sum(s => s.Value.ByteLength).Should().BeLessThan(2 * large.ElementCount + 100);
        state["state.1.state1"].DType.Should().Be(DType.Float32);
        state.Should().NotContainKey("state.1.absmax1");
    }

    [Fact]
    public void It_learns_as_well_as_with_moments_of_32_bits()
    {
        double Run(Func<Tensor, Optimizer> create)
        {
            using var scope = new TensorScope();
            var random = new System.Random(3);
            var target = Enumerable.Range(0, 4096).Select(_ => (float)random.NextDouble()).ToArray();
            var parameter = Tensor.From(new float[4096], [4096]);
            parameter.RequiresGrad = true;
            using var optimizer = create(parameter);
            for (var step = 0; step < 200; step++)
            {
                Slope(parameter, [.. parameter.ToArray<float>().Zip(target, (value, goal) => value - goal)]);
                optimizer.Step();
            }

            return parameter.ToArray<float>().Zip(target, (value, goal) => Math.Abs(value - goal)).Average();
        }

        var options = Options with { WeightDecay = 0 };
        Run(p => new AdamW8bit([p], options)).Should().BeLessThan(Math.Max(2 * Run(p => new AdamW([p], options)), 0.01));
    }

    [Fact]
    public void A_saved_state_goes_on_to_the_same_bits()
    {
        using var scope = new TensorScope();
        float[] Run(bool interrupted)
        {
            var parameter = Tensor.From([.. Enumerable.Range(0, 6000).Select(i => MathF.Sin(i))], [6000]);
            parameter.RequiresGrad = true;
            var optimizer = new AdamW8bit([parameter], Options);
            for (var step = 0; step < 6; step++)
            {
                if (interrupted && step == 3)
                {
                    var state = optimizer.StateDict().ToDictionary(s => s.Key, s => s.Value.Backend.Copy(s.Value));
                    optimizer.Dispose();
                    optimizer = new AdamW8bit([parameter], Options);
                    optimizer.LoadStateDict(state);
                }

                Slope(parameter, [.. Enumerable.Range(0, 6000).Select(i => MathF.Cos(i * (step + 1)))]);
                optimizer.Step();
            }

            optimizer.Dispose();
            return parameter.ToArray<float>();
        }

        Run(interrupted: true).Should().Equal(Run(interrupted: false));
    }

    [Fact]
    public void A_state_of_floats_is_refused_where_bytes_belong()
    {
        using var scope = new TensorScope();
        var parameter = Tensor.From(new float[4096], [4096]);
        parameter.RequiresGrad = true;
        Slope(parameter, [.. Enumerable.Repeat(1f, 4096)]);
        using var optimizer = new AdamW8bit([parameter], Options);
        optimizer.Step();
        var state = optimizer.StateDict();
        state["state.0.state1"] = Tensor.From(new float[4096], [4096]);
        optimizer.Invoking(o => o.LoadStateDict(state)).Should().Throw<OptimizerStateException>().WithMessage("*state1*UInt8*Float32*");
    }

    private static void Slope(Tensor parameter, float[] slopes)
    {
        parameter.ZeroGrad();
        // The gradient of a product by its other factor is that factor.
        Functional.Sum(Functional.Multiply(parameter, Tensor.From(slopes, parameter.Shape))).Backward();
    }

    /// <summary>One number after the other, with a search through the whole map.</summary>
    private sealed class Plain(float[] values)
    {
        private readonly float[] _firstScales = new float[(values.Length + 2047) / 2048];
        private readonly float[] _secondScales = new float[(values.Length + 2047) / 2048];

        public float[] Values { get; } = [.. values];

        public byte[] First { get; } = new byte[values.Length];

        public byte[] Second { get; } = new byte[values.Length];

        public void Step(float[] slopes, int step)
        {
            var correction = Math.Sqrt(1 - Math.Pow(0.999, step));
            var size = (float)(1e-2 * correction / (1 - Math.Pow(0.9, step)));
            for (var block = 0; block < _firstScales.Length; block++)
            {
                var end = Math.Min(Values.Length, (block + 1) * 2048);
                var (first, second) = (new float[end - (block * 2048)], new float[end - (block * 2048)]);
                for (var i = block * 2048; i < end; i++)
                {
                    var slope = slopes[i] * 0.5f;
                    var one = (DynamicMap.Signed[First[i]] * _firstScales[block] * 0.9f) + ((float)(1 - 0.9) * slope);
                    var two = (DynamicMap.Unsigned[Second[i]] * _secondScales[block] * 0.999f) + (slope * slope * (float)(1 - 0.999));
                    Values[i] -= size * (one / (MathF.Sqrt(two) + (float)(correction * 1e-8)));
                    Values[i] *= (float)(1 - (1e-2 * 0.1));
                    (first[i - (block * 2048)], second[i - (block * 2048)]) = (one, two);
                }

                (_firstScales[block], _secondScales[block]) = (first.Max(MathF.Abs), second.Max());
                for (var i = block * 2048; i < end; i++)
                {
                    var (one, two) = (first[i - (block * 2048)], second[i - (block * 2048)]);
                    First[i] = Nearest(DynamicMap.Signed, _firstScales[block] == 0 ? 0 : one / _firstScales[block]);
                    if (one < 0 && DynamicMap.Signed[First[i]] >= 0)
                        First[i]--;
                    Second[i] = Nearest(DynamicMap.Unsigned, _secondScales[block] == 0 ? 0 : two / _secondScales[block]);
                }
            }
        }

        private static byte Nearest(ReadOnlySpan<float> map, float x)
        {
            var best = 0;
            for (var code = 1; code < map.Length; code++)
            {
                if (Math.Abs((double)map[code] - x) < Math.Abs((double)map[best] - x))
                    best = code;
            }

            return (byte)best;
        }
    }
}
