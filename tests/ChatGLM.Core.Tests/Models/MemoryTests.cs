using ChatGLM.Generation;
using ChatGLM.Models;
using ChatGLM.Tensors;

namespace ChatGLM.Core.Tests.Models;

/// <summary>Memory stays flat over thousands of generations and training steps that dispose nothing.</summary>
public sealed class MemoryTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Two_thousand_generations_hold_no_more_than_the_first(int generation)
    {
        var backend = new CpuBackend(new CpuBackendOptions { Threads = 1 });
        using var model = AutoModel.FromConfig(TinyModels.Of(generation), new ModelOptions { Backend = backend });
        var options = new GenerationConfig { MaxNewTokens = 3, EosTokenId = [] };
        model.Generate(TinyModels.Prompt, options);
        var (bytes, buffers, recovered) = (backend.Memory.LoanedBytes, backend.Memory.LoanedBuffers, backend.Memory.RecoveredBuffers);
        for (var i = 0; i < 2000; i++)
            model.Generate(TinyModels.Prompt, options);
        backend.Memory.LoanedBytes.Should().Be(bytes);
        backend.Memory.LoanedBuffers.Should().Be(buffers);
        backend.Memory.RecoveredBuffers.Should().Be(recovered, "every buffer is given back at once, none by the garbage collector");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void A_thousand_training_steps_hold_no_more_than_the_third(int generation)
    {
        var backend = new CpuBackend(new CpuBackendOptions { Threads = 1 });
        using var model = AutoModel.FromConfig(TinyModels.Of(generation), new ModelOptions { Backend = backend, Seed = 1 });
        model.Train();
        using var optimizer = new AdamW(model.NamedParameters().Select(p => p.Parameter), new AdamWOptions { LearningRate = 1e-3 });
        var ids = Tensor.From(TinyModels.Prompt.Select(i => (long)i).ToArray(), [1, TinyModels.Prompt.Length], backend);
        var losses = new List<float>();
        long peakAtThree = 0;
        for (var step = 1; step <= 1000; step++)
        {
            using var scope = new TensorScope();
            var loss = model.Forward(new ModelInputs { InputIds = ids, Labels = ids }).Loss!;
            loss.Backward();
            optimizer.Step();
            optimizer.ZeroGrad();
            losses.Add(loss.Item());
            if (step == 3)
                peakAtThree = backend.Memory.PeakLoanedBytes;
        }

        backend.Memory.PeakLoanedBytes.Should().Be(peakAtThree);
        backend.Memory.RecoveredBuffers.Should().Be(0);
        losses[^1].Should().BeLessThan(losses[0] / 10, "the model learns the one row it sees");
    }

    [Fact]
    public void A_training_loop_without_any_scope_stays_bounded()
    {
        var backend = new CpuBackend(new CpuBackendOptions { Threads = 1 });
        using var model = AutoModel.FromConfig(TinyModels.Second, new ModelOptions { Backend = backend, Seed = 1 });
        using var optimizer = new AdamW(model.NamedParameters().Select(p => p.Parameter));
        var ids = Tensor.From(TinyModels.Prompt.Select(i => (long)i).ToArray(), [1, TinyModels.Prompt.Length], backend);
        long held = 0;
        for (var step = 1; step <= 300; step++)
        {
            model.Forward(new ModelInputs { InputIds = ids, Labels = ids }).Loss!.Backward();
            optimizer.Step();
            optimizer.ZeroGrad();
            if (step is 3 or 300)
            {
                GC.Collect();
                GC.WaitForPendingFinalizers();
                if (step == 3)
                    held = backend.Memory.LoanedBytes;
            }
        }

        backend.Memory.LoanedBytes.Should().BeLessThanOrEqualTo(held + 4096, "only the last step's results may still be held");
    }
}
