using ChatGLM.Models;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.Tests;

/// <summary>What an adapter costs in memory: its own numbers, their gradients and the optimizer's, and what one pass has in the air. Nothing of the base is copied.</summary>
public sealed class MemoryTests
{
    private static LoraConfig Config => new() { R = 4, LoraAlpha = 8, TargetModules = "all-linear", InitLoraWeights = InitLoraWeights.Random };

    [Theory]
    [InlineData(DType.Float32, 0)]
    [InlineData(DType.BFloat16, 0)]
    [InlineData(DType.Float32, 4)]
    public void A_model_with_an_adapter_holds_the_adapter_and_no_more(DType dtype, int bits)
    {
        var (backend, model) = Create(dtype, bits);
        using var _ = model;
        var (held, peak) = (backend.Memory.LoanedBytes, backend.Memory.PeakLoanedBytes);
        var peft = model.GetPeftModel(Config);
        var adapterBytes = peft.GetPeftModelStateDict().Values.Sum(t => t.ByteLength);
        var grown = backend.Memory.LoanedBytes - held;
        // Buffers are rounded up by an eighth at most, the smallest to 64 bytes.
        grown.Should().BeInRange(adapterBytes, (adapterBytes * 9 / 8) + (64 * peft.GetPeftModelStateDict().Count));
        backend.Memory.PeakLoanedBytes.Should().Be(Math.Max(peak, backend.Memory.LoanedBytes), "nothing else was made on the way");
        peft.Unload();
        backend.Memory.LoanedBytes.Should().Be(held);
        backend.Memory.RecoveredBuffers.Should().Be(0);
    }

    [Fact]
    public void A_pass_through_an_adapter_needs_what_a_pass_needs_and_the_adapters_results()
    {
        var (plainBackend, plain) = Create(DType.Float32, 0);
        var (backend, model) = Create(DType.Float32, 0);
        using var first = plain;
        using var second = model;
        var peft = model.GetPeftModel(Config);
        // The first pass makes the table of rotations, which stays.
        Pass(plain);
        Pass(model);
        var (plainHeld, held) = (plainBackend.Memory.LoanedBytes, backend.Memory.LoanedBytes);
        Pass(plain);
        Pass(model);
        // At the widest place a layer's result stands beside the adapter's own of the same shape; 9 tokens, 96 wide at most.
        var (plainPass, pass) = (plainBackend.Memory.PeakLoanedBytes - plainHeld, backend.Memory.PeakLoanedBytes - held);
        pass.Should().BeLessThanOrEqualTo(plainPass + (3 * 9 * 96 * sizeof(float)));
        backend.Memory.LoanedBytes.Should().Be(held, "a pass leaves nothing behind");
    }

    [Fact]
    public void Training_holds_gradients_and_moments_of_the_adapter_alone()
    {
        var (backend, model) = Create(DType.BFloat16, 0);
        using var _ = model;
        using var peft = model.GetPeftModel(Config);
        peft.Train();
        var adapterBytes = peft.GetPeftModelStateDict().Values.Sum(t => t.ByteLength);
        var held = backend.Memory.LoanedBytes;
        using var optimizer = new AdamW(peft.NamedParameters().Where(p => p.Parameter.RequiresGrad).Select(p => p.Parameter), new AdamWOptions());
        for (var step = 0; step < 3; step++)
        {
            using var scope = new TensorScope();
            peft.Forward(TinyModels.Inputs(backend: backend)).Loss!.Backward();
            optimizer.Step();
        }

        var grown = backend.Memory.LoanedBytes - held;
        grown.Should().BeLessThanOrEqualTo((3 * adapterBytes * 9 / 8) + (3 * 64 * peft.GetPeftModelStateDict().Count) + 4096, "one gradient and two moments of each number of the adapter");
        model.NamedParameters().Where(p => !p.Parameter.RequiresGrad).Should().OnlyContain(p => p.Parameter.Grad == null);
    }

    private static (CpuBackend Backend, ChatGLMForConditionalGeneration Model) Create(DType dtype, int bits)
    {
        var backend = new CpuBackend(new CpuBackendOptions { Threads = 1 });
        var model = AutoModel.FromConfig(TinyModels.Second, new ModelOptions { Dtype = dtype, Seed = 7, Backend = backend });
        if (bits > 0)
            model.Quantize(bits);
        return (backend, model);
    }

    private static void Pass(PreTrainedModel model)
    {
        using var noGrad = GradMode.NoGrad();
        using var scope = new TensorScope();
        model.Forward(TinyModels.Inputs(backend: model.Backend));
    }
}
