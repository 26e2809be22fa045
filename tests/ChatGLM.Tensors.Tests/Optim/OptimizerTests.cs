using ChatGLM.Tensors.Tests.Autograd;
using ChatGLM.Tensors.Tests.Data;

namespace ChatGLM.Tensors.Tests.Optim;

public sealed class OptimizerTests : IDisposable
{
    private readonly HostBackend _backend = TestBackends.Create(TestBackends.Reference);
    private readonly TensorScope _scope = new();

    public static TheoryData<string, string> SgdVariants
    {
        get
        {
            var variants = new TheoryData<string, string>();
            foreach (var variant in new[] { "plain", "weight_decay", "momentum", "dampening", "nesterov" })
            {
                variants.Add(variant, TestBackends.Reference);
                variants.Add(variant, TestBackends.Cpu);
            }

            return variants;
        }
    }

    public void Dispose() => _scope.Dispose();

    [Theory]
    [MemberData(nameof(SgdVariants))]
    public void Sgd_steps_as_torch_does(string variant, string backendName)
    {
        using var recorded = new RecordedTraining();
        var backend = TestBackends.Create(backendName);
        var element = recorded.Sgd(variant);
        double Option(string name) => element.GetProperty("options").TryGetProperty(name, out var value) ? value.GetDouble() : 0;
        var parameter = RecordedTraining.ToTensor(element.GetProperty("start"), backend);
        using var sgd = new Sgd([parameter], new SgdOptions
        {
            LearningRate = 0.05,
            Momentum = Option("momentum"),
            Dampening = Option("dampening"),
            WeightDecay = Option("weight_decay"),
            Nesterov = element.GetProperty("options").TryGetProperty("nesterov", out _),
        });
        Steps(sgd, parameter, RecordedTraining.ToTensor(element.GetProperty("gradients"), backend));
        var expected = RecordedTraining.ToTensor(element.GetProperty("end"), backend).ToArray<float>();
        parameter.ToArray<float>().Zip(expected, (f, e) => Math.Abs(f - e)).Max().Should().BeLessThan(1e-6f);
    }

    [Theory]
    [InlineData(TestBackends.Reference)]
    [InlineData(TestBackends.Cpu)]
    public void AdamW_steps_as_torch_does(string backendName)
    {
        var recorded = RecordedCase.Get("adamw", TestBackends.Create(backendName));
        var parameter = recorded.Tensor("start");
        using var adamW = new AdamW([parameter], new AdamWOptions
        {
            LearningRate = recorded.Number("learning_rate"),
            Beta1 = recorded.Number("beta1"),
            Beta2 = recorded.Number("beta2"),
            Epsilon = recorded.Number("epsilon"),
            WeightDecay = recorded.Number("weight_decay"),
        });
        Steps(adamW, parameter, recorded.Tensor("gradients"));
        var trajectory = recorded.Tensor("trajectory");
        var expected = trajectory.Rows(trajectory.Shape[0] - 1, 1).ToArray<float>();
        parameter.ToArray<float>().Zip(expected, (f, e) => Math.Abs(f - e)).Max().Should().BeLessThan(1e-6f);
        var state = adamW.StateDict();
        state["state.0.step"].ToArray<long>().Should().Equal(5);
        Closest(state["state.0.exp_avg"], recorded.Tensor("first_moment")).Should().BeLessThan(1e-6);
        Closest(state["state.0.exp_avg_sq"], recorded.Tensor("second_moment")).Should().BeLessThan(1e-6);
    }

    [Theory]
    [InlineData(DType.Float16)]
    [InlineData(DType.BFloat16)]
    public void A_half_precision_parameter_moves_and_keeps_its_type(DType dtype)
    {
        foreach (var make in new Func<Tensor, Optimizer>[] { p => new Sgd([p], new() { LearningRate = 0.25, Momentum = 0.5 }), p => new AdamW([p], new() { LearningRate = 0.25, WeightDecay = 0 }) })
        {
            var parameter = Tensor.Full([2, 3], 1, dtype, _backend);
            using var optimizer = make(parameter);
            parameter.AccumulateGrad(Tensor.Full([2, 3], 1, DType.Float32, _backend));
            optimizer.Step();
            parameter.DType.Should().Be(dtype);
            parameter.ToFloatArray().Should().AllSatisfy(value => value.Should().Be(0.75f));
        }
    }

    [Fact]
    public void A_parameter_without_a_gradient_is_left_alone()
    {
        var (reached, other) = (Parameter(1, 2), Parameter(3, 4));
        using var adamW = new AdamW([reached, other], new() { WeightDecay = 0.5 });
        reached.AccumulateGrad(Tensor.Full([2], 1, DType.Float32, _backend));
        adamW.Step();
        other.ToArray<float>().Should().Equal(3, 4);
        reached.ToArray<float>().Should().NotEqual([1f, 2f]);
        adamW.StateDict().Keys.Should().NotContain(key => key.StartsWith("state.1."));
    }

    [Fact]
    public void Groups_step_with_their_own_settable_learning_rate()
    {
        var (slow, fast) = (Parameter(1), Parameter(1));
        using var sgd = new Sgd([new ParameterGroup([slow], 0.1), new ParameterGroup([fast], 0.2)]);
        slow.AccumulateGrad(Tensor.Full([1], 1, DType.Float32, _backend));
        fast.AccumulateGrad(Tensor.Full([1], 1, DType.Float32, _backend));
        sgd.Step();
        sgd.Groups[1].LearningRate = 0.5;
        sgd.Step();
        slow.Item().Should().BeApproximately(0.8f, 1e-6f);
        fast.Item().Should().BeApproximately(0.3f, 1e-6f);
    }

    [Fact]
    public void Goes_on_from_a_saved_state_as_if_never_stopped()
    {
        foreach (var make in new Func<Tensor, Optimizer>[] { p => new AdamW([p]), p => new Sgd([p], new() { Momentum = 0.9, LearningRate = 0.1 }) })
        {
            var through = Parameter(1, -2, 3);
            using var first = make(through);
            Step(first, through, 0.3f);
            first.Groups[0].LearningRate = 0.07;
            var resumed = Tensor.From(through.ToArray<float>(), [3], _backend);
            using var second = make(resumed);
            second.LoadStateDict(first.StateDict());
            Step(first, through, -0.1f);
            Step(second, resumed, -0.1f);
            second.Groups[0].LearningRate.Should().Be(0.07);
            resumed.ToArray<float>().Should().Equal(through.ToArray<float>());
        }
    }

    [Fact]
    public void A_state_that_does_not_fit_is_refused_and_changes_nothing()
    {
        var parameter = Parameter(1, 2, 3);
        using var adamW = new AdamW([parameter]);
        Step(adamW, parameter, 1);
        var good = adamW.StateDict();
        Refused(state => state.Remove("state.0.exp_avg_sq"), "*'state.0.exp_avg_sq' is missing*");
        Refused(state => state["state.0.exp_avg"] = Tensor.Zeros([4], backend: _backend), "*'state.0.exp_avg'*[3]*[4]*");
        Refused(state => state["state.0.step"] = Tensor.From([-1L], Shape.Scalar, _backend), "*'state.0.step'*positive*");
        Refused(state => state["state.7.step"] = state["state.0.step"], "*'state.7.step'*");
        Refused(state => state.Remove("param_groups.0.lr"), "*'param_groups.0.lr' is missing*");
        var before = good["state.0.exp_avg"].ToArray<float>();
        adamW.StateDict()["state.0.exp_avg"].ToArray<float>().Should().Equal(before);
        adamW.Groups[0].LearningRate.Should().Be(1e-3);

        void Refused(Action<Dictionary<string, Tensor>> spoil, string message)
        {
            var state = new Dictionary<string, Tensor>(good) { ["param_groups.0.lr"] = Tensor.From([0.5], Shape.Scalar, _backend) };
            spoil(state);
            adamW.Invoking(optimizer => optimizer.LoadStateDict(state)).Should().Throw<OptimizerStateException>().WithMessage(message);
        }
    }

    [Fact]
    public void Refuses_what_cannot_be_trained()
    {
        var parameter = Parameter(1, 2);
        parameter.RequiresGrad = true;
        Refused([], "*at least one parameter*");
        Refused([parameter, parameter], "*parameter 1*twice*");
        Refused([Functional.Exp(parameter)], "*result of an operation*");
        Refused([Tensor.From([1L], [1], _backend)], "*int64*");

        void Refused(Tensor[] parameters, string message) =>
            FluentActions.Invoking(() => new AdamW(parameters)).Should().Throw<TensorException>().WithMessage(message);
    }

    [Fact]
    public void Trains_a_copy_of_a_mapped_parameter_and_leaves_the_file_alone()
    {
        var path = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(path, new byte[16]);
            var file = MappedFile.Open(path);
            using (var mapped = Tensor.FromMapped(file, 0, [4], DType.Float32, _backend))
            {
                mapped.RequiresGrad = true;
                using var optimizer = new AdamW([mapped], new AdamWOptions { LearningRate = 0.5, WeightDecay = 0 });
                Functional.Sum(mapped).Backward();
                optimizer.Step();
                mapped.ToArray<float>().Should().AllSatisfy(value => value.Should().BeApproximately(-0.5f, 1e-5f));
            }

            file.Release();
            File.ReadAllBytes(path).Should().OnlyContain(b => b == 0);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void Gives_the_memory_of_its_state_back()
    {
        var parameter = Parameter(1, 2, 3);
        var loaned = _backend.Memory.LoanedBuffers;
        var adamW = new AdamW([parameter]);
        Step(adamW, parameter, 1);
        adamW.ZeroGrad();
        _backend.Memory.LoanedBuffers.Should().Be(loaned + 2);
        adamW.Dispose();
        _backend.Memory.LoanedBuffers.Should().Be(loaned);
    }

    [Fact]
    public void Clip_norm_leaves_small_gradients_alone_and_reports_the_norm()
    {
        var (first, second, frozen) = (Parameter(0, 0), Parameter(0), Parameter(0));
        first.AccumulateGrad(Tensor.From([3f, 0f], [2], _backend));
        second.AccumulateGrad(Tensor.From([4f], [1], _backend));
        GradientClipping.ClipNorm([first, second, frozen], 6).Should().Be(5);
        first.Grad!.ToArray<float>().Should().Equal(3, 0);
        GradientClipping.ClipNorm([first, second, frozen], 1).Should().Be(5);
        second.Grad!.Item().Should().BeApproximately(0.8f, 1e-6f);
        frozen.Grad.Should().BeNull();
        double.IsNaN(GradientClipping.Coefficient(double.NaN, 1)).Should().BeTrue("a broken gradient must not be taken for a small one");
    }

    [Fact]
    public void Clip_value_bounds_every_number()
    {
        var parameter = Tensor.Zeros([20000], backend: _backend);
        var gradient = Enumerable.Range(0, 20000).Select(i => (i % 100) - 50f).ToArray();
        parameter.AccumulateGrad(Tensor.From(gradient, [20000], _backend));
        GradientClipping.ClipValue([parameter], 2.5f);
        parameter.Grad!.ToArray<float>().Should().Equal(gradient.Select(value => Math.Clamp(value, -2.5f, 2.5f)));
    }

    private static double Closest(Tensor found, Tensor expected) => found.ToArray<float>().Zip(expected.ToArray<float>(), (f, e) => Math.Abs(f - e) / Math.Max(1.0, Math.Abs(e))).Max();

    private static void Steps(Optimizer optimizer, Tensor parameter, Tensor gradients)
    {
        for (var step = 0; step < gradients.Shape[0]; step++)
        {
            parameter.ZeroGrad();
            parameter.AccumulateGrad(gradients.Rows(step, 1).Reshape(-1));
            optimizer.Step();
        }
    }

    private void Step(Optimizer optimizer, Tensor parameter, float gradient)
    {
        parameter.ZeroGrad();
        using (var value = Tensor.Full(parameter.Shape, gradient, DType.Float32, _backend))
            parameter.AccumulateGrad(value);
        optimizer.Step();
    }

    private Tensor Parameter(params float[] values) => Tensor.From(values, [values.Length], _backend);
}
