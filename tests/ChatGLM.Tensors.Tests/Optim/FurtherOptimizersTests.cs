namespace ChatGLM.Tensors.Tests.Optim;

/// <summary>What the recorded trajectories of the conformance tests do not cover: going on from saved state, other element types, parameters larger than a chunk.</summary>
public sealed class FurtherOptimizersTests : IDisposable
{
    private readonly TensorScope _scope = new();

    public static TheoryData<string> Kinds => [.. Make.Keys];

    private static Dictionary<string, Func<Tensor, Optimizer>> Make { get; } = new()
    {
        ["amsgrad"] = p => new AdamW([p], new() { LearningRate = 0.1, AmsGrad = true }),
        ["adam"] = p => new Adam([p], new() { LearningRate = 0.1, WeightDecay = 0.1 }),
        ["adam amsgrad"] = p => new Adam([p], new() { LearningRate = 0.1, AmsGrad = true }),
        ["transformers"] = p => new TransformersAdamW([p], new() { LearningRate = 0.1, WeightDecay = 0.1 }),
        ["adagrad"] = p => new Adagrad([p], new() { LearningRate = 0.1, LearningRateDecay = 0.1 }),
        ["adafactor"] = p => new Adafactor([p], new() { LearningRate = 0.1, RelativeStep = false, ScaleParameter = false }),
        ["adafactor with a mean"] = p => new Adafactor([p], new() { RelativeStep = true, Beta1 = 0.9, WeightDecay = 0.1 }),
    };

    public void Dispose() => _scope.Dispose();

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Going_on_from_saved_state_gives_the_same_bits(string kind)
    {
        foreach (var shape in new Shape[] { [7], [3, 5], [2, 3, 4] })
        {
            var whole = Values(shape);
            var parted = Values(shape);
            using var one = Make[kind](whole);
            using var first = Make[kind](parted);
            Steps(one, whole, 4);
            Steps(first, parted, 2);
            using var second = Make[kind](parted);
            second.LoadStateDict(first.StateDict());
            Steps(second, parted, 2, start: 2);
            parted.ToArray<float>().Should().Equal(whole.ToArray<float>(), "{0} {1}", kind, shape);
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Half_precision_parameters_follow_the_wide_ones(string kind)
    {
        var wide = Values([4, 6]);
        foreach (var dtype in new[] { DType.Float16, DType.BFloat16 })
        {
            var narrow = wide.Backend.Cast(wide, dtype);
            narrow.RequiresGrad = true;
            var copy = wide.Backend.Cast(narrow, DType.Float32);
            copy.RequiresGrad = true;
            using var one = Make[kind](narrow);
            using var other = Make[kind](copy);
            Steps(one, narrow, 1);
            Steps(other, copy, 1);
            narrow.DType.Should().Be(dtype);
            narrow.ToFloatArray().Zip(copy.ToArray<float>(), (n, w) => Math.Abs(n - w)).Max().Should().BeLessThan(dtype == DType.Float16 ? 2e-3f : 2e-2f);
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_vector_longer_than_a_chunk_moves_as_its_parts_do(string kind)
    {
        if (kind.StartsWith("adafactor", StringComparison.Ordinal))
            return; // its update depends on the whole parameter
        const int Length = 20_000;
        var whole = Values([Length]);
        var tail = Tensor.From(whole.ToArray<float>()[^10..], [10]);
        tail.RequiresGrad = true;
        using var one = Make[kind](whole);
        using var other = Make[kind](tail);
        Steps(one, whole, 2);
        for (var step = 0; step < 2; step++)
        {
            using var scope = new TensorScope();
            var gradient = Tensor.From(Gradient(Length, step)[^10..], [10]);
            Functional.Sum(Functional.Multiply(tail, gradient)).Backward();
            other.Step();
            other.ZeroGrad();
        }

        whole.ToArray<float>()[^10..].Zip(tail.ToArray<float>(), (a, b) => Math.Abs(a - b)).Max().Should().BeLessThan(1e-6f);
    }

    [Fact]
    public void State_of_another_kind_is_refused()
    {
        var parameter = Values([3, 5]);
        using var adagrad = Make["adagrad"](parameter);
        Steps(adagrad, parameter, 1);
        using var adafactor = Make["adafactor"](parameter);
        adafactor.Invoking(a => a.LoadStateDict(adagrad.StateDict())).Should().Throw<OptimizerStateException>();
    }

    [Theory]
    [InlineData(1, 7)]
    [InlineData(3, 4.497941445275415)]
    [InlineData(double.PositiveInfinity, 4)]
    public void Other_norms_of_gradients_are_those_of_the_definition(double type, double expected)
    {
        var parameter = Tensor.Zeros([2]);
        parameter.RequiresGrad = true;
        Functional.Sum(Functional.Multiply(parameter, Tensor.From([3f, -4f], [2]))).Backward();
        GradientClipping.Norm([parameter], type).Should().BeApproximately(expected, 1e-9);
    }

    private static Tensor Values(in Shape shape)
    {
        var values = new float[shape.ElementCount];
        new TorchGenerator(3).Normal(values);
        var tensor = Tensor.From(values, shape);
        tensor.RequiresGrad = true;
        return tensor;
    }

    private static float[] Gradient(int length, int step)
    {
        var values = new float[length];
        new TorchGenerator((ulong)(10 + step)).Normal(values);
        return values;
    }

    private static void Steps(Optimizer optimizer, Tensor parameter, int count, int start = 0)
    {
        for (var step = start; step < start + count; step++)
        {
            using var scope = new TensorScope();
            var gradient = Tensor.From(Gradient((int)parameter.ElementCount, step), parameter.Shape);
            var wide = parameter.DType == DType.Float32 ? parameter : Functional.Cast(parameter, DType.Float32);
            Functional.Sum(Functional.Multiply(wide, gradient)).Backward();
            optimizer.Step();
            optimizer.ZeroGrad();
        }
    }
}
