using ChatGLM.Tensors.Tests.Autograd;
using Xunit.Abstractions;

namespace ChatGLM.Tensors.Tests.Optim;

/// <summary>Forward, backward, clipping and optimizer together against a run of PyTorch.</summary>
public sealed class TrainingTests(ITestOutputHelper output)
{
    public static TheoryData<string> Backends => TestBackends.Names;

    [Theory]
    [MemberData(nameof(Backends))]
    public void Trains_as_torch_does(string name) => Train(name, checkpointed: false);

    [Theory]
    [MemberData(nameof(Backends))]
    public void Trains_as_torch_does_with_checkpoints(string name) => Train(name, checkpointed: true);

    [Fact]
    public void Clipping_inside_the_step_is_clipping_before_it()
    {
        var (before, inside) = (Ends(clipInside: false), Ends(clipInside: true));
        before.Should().HaveSameCount(inside);
        foreach (var (name, values) in before)
            LargestError(inside[name], values).Should().BeLessThan(1e-6);
    }

    private static Dictionary<string, float[]> Ends(bool clipInside)
    {
        using var recorded = new RecordedTraining();
        var backend = TestBackends.Create(TestBackends.Reference);
        var model = Model(recorded, backend, checkpointed: false);
        using var optimizer = new AdamW(model.Parameters.Values, new AdamWOptions { LearningRate = 0.01 });
        for (var step = 0; step < 2; step++)
        {
            optimizer.ZeroGrad();
            model.Loss(recorded.Ids(backend), recorded.Labels(backend)).Backward();
            if (clipInside)
            {
                optimizer.Step(GradientClipping.Coefficient(GradientClipping.Norm(model.Parameters.Values), 0.1));
            }
            else
            {
                GradientClipping.ClipNorm(model.Parameters.Values, 0.1);
                optimizer.Step();
            }
        }

        return model.Parameters.ToDictionary(p => p.Key, p => p.Value.ToArray<float>());
    }

    private static TinyTransformer Model(RecordedTraining recorded, Backend backend, bool checkpointed)
    {
        var model = new TinyTransformer(recorded.Tensors("start", backend)) { Checkpointed = checkpointed };
        foreach (var parameter in model.Parameters.Values)
            parameter.RequiresGrad = true;
        return model;
    }

    /// <summary>Relative to the largest number of the tensor, or 1: what is left is the rounding of float32 sums taken in another order.</summary>
    private static double LargestError(float[] found, float[] expected) =>
        found.Zip(expected, (f, e) => Math.Abs((double)f - e)).Max() / Math.Max(1, expected.Max(Math.Abs));

    private void Train(string name, bool checkpointed)
    {
        using var recorded = new RecordedTraining();
        var backend = TestBackends.Create(name);
        var model = Model(recorded, backend, checkpointed);
        var parameters = model.Parameters.Values;
        using var optimizer = new AdamW(
            [new ParameterGroup(parameters.Where(TinyTransformer.IsDecayed), 1e-2, 0.1), new ParameterGroup(parameters.Where(p => !TinyTransformer.IsDecayed(p)), 2e-2)],
            new AdamWOptions { Epsilon = 1e-4 });
        for (var step = 0; step < 3; step++)
        {
            optimizer.ZeroGrad();
            var loss = model.Loss(recorded.Ids(backend), recorded.Labels(backend));
            loss.Backward();
            if (step == 0)
                Compare("gradient", recorded.Tensors("gradients", backend), parameter => parameter.Grad!, 2e-6);
            ((double)loss.Item()).Should().BeApproximately(recorded.Losses[step], 2e-6 * recorded.Losses[step]);
            GradientClipping.ClipNorm(parameters, 0.5).Should().BeApproximately(recorded.Norms[step], 5e-6 * recorded.Norms[step]);
            GradientClipping.Norm(parameters).Should().BeApproximately(0.5, 1e-5);
            optimizer.Step();
        }

        Compare("parameter", recorded.Tensors("end", backend), parameter => parameter, 1e-5);

        void Compare(string what, Dictionary<string, Tensor> expected, Func<Tensor, Tensor> select, double tolerance)
        {
            expected.Keys.Should().BeEquivalentTo(model.Parameters.Keys);
            double largest = 0;
            foreach (var (key, tensor) in expected)
            {
                var error = LargestError(select(model.Parameters[key]).ToArray<float>(), tensor.ToArray<float>());
                largest = Math.Max(largest, error);
                error.Should().BeLessThan(tolerance, $"this is the {what} of {key}");
            }

            output.WriteLine($"largest error of a {what}: {largest:E2}");
        }
    }
}
