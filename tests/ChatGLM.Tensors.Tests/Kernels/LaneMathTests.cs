using Xunit.Abstractions;

namespace ChatGLM.Tensors.Tests.Kernels;

/// <summary>Holds the elementary functions to the bounds that their comments state, over a dense sweep of the float32 numbers.</summary>
[Collection(KernelCheck.Collection)]
public class LaneMathTests(ITestOutputHelper output)
{
    [Fact]
    public void Exponentials_are_within_1_ulp() => Sweep(UnaryOp.Exp, Math.Exp, Between(-87.3f, 88.7f), 1);

    [Fact]
    public void Logarithms_are_within_1_ulp() => Sweep(UnaryOp.Log, Math.Log, Bits(0x00000100, 0x7F7FFFFF, 4001).Concat(Between(0.5f, 2f)), 1);

    [Fact]
    public void Hyperbolic_tangents_are_within_2_ulp() => Sweep(UnaryOp.Tanh, Math.Tanh, Between(-12, 12).Concat(Bits(0x20000000, 0x3F800000, 3001)), 2);

    [Fact]
    public void Sigmoids_are_within_3_ulp() => Sweep(UnaryOp.Sigmoid, x => 1 / (1 + Math.Exp(-x)), Between(-80, 80), 3);

    [Fact]
    public void Exponentials_of_large_negative_numbers_are_zero_not_subnormal()
    {
        using var scope = new TensorScope();
        var x = Tensor.From([-87.336f, -87.34f, -88, -100, -1000, float.NegativeInfinity], [6]);
        var y = Backend.Default.Unary(UnaryOp.Exp, x).ToArray<float>();
        y[0].Should().BeGreaterThan(1.1754942e-38f);
        y.Skip(1).Should().AllBeEquivalentTo(0f);
    }

    [Fact]
    public void Exponentials_overflow_to_infinity_at_the_last_finite_one()
    {
        using var scope = new TensorScope();
        var y = Backend.Default.Unary(UnaryOp.Exp, Tensor.From([88.7228f, 88.7229f, 1000, float.PositiveInfinity], [4])).ToArray<float>();
        y[0].Should().BeLessThan(float.PositiveInfinity).And.BeGreaterThan(3.4e38f);
        y.Skip(1).Should().AllBeEquivalentTo(float.PositiveInfinity);
    }

    private static IEnumerable<float> Between(float from, float to) => Enumerable.Range(0, 200_001).Select(i => from + ((to - from) * (i / 200_000f)));

    private static IEnumerable<float> Bits(int from, int to, int step)
    {
        for (long bits = from; bits <= to; bits += step)
            yield return BitConverter.Int32BitsToSingle((int)bits);
    }

    private void Sweep(UnaryOp op, Func<double, double> exact, IEnumerable<float> arguments, double maxUlp)
    {
        using var scope = new TensorScope();
        var x = arguments.ToArray();
        var y = Backend.Default.Unary(op, Tensor.From(x, [x.Length])).ToArray<float>();
        var (worst, at) = (0.0, 0f);
        for (var i = 0; i < x.Length; i++)
        {
            var expected = exact(x[i]);
            var ulp = Math.Max(MathF.BitIncrement(MathF.Abs((float)expected)) - (double)MathF.Abs((float)expected), 1.4e-45);
            var error = Math.Abs(y[i] - expected) / ulp;
            if (!(error <= worst))
                (worst, at) = (error, x[i]);
        }

        output.WriteLine($"{op}: {worst:F2} ulp at {at:R}, {x.Length} arguments");
        worst.Should().BeLessThanOrEqualTo(maxUlp);
    }
}
