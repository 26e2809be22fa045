using ChatGLM.Generation;
using ChatGLM.Models;
using ChatGLM.Peft;
using ChatGLM.Tensors;

namespace ChatGLM.TorchSharp.Tests;

/// <summary>Whole models on libtorch: the same answers as on the processor's own kernels, and flat memory.</summary>
[Collection("Kernels")]
public sealed class TorchModelTests
{
    private readonly TorchBackend _torch = new();

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void A_model_moved_there_gives_the_same_scores_loss_and_tokens(int generation)
    {
        using var model = TinyModels.Create(generation);
        var config = new GenerationConfig { MaxNewTokens = 12 };
        using var scope = new TensorScope();
        var (expected, loss) = Scores(model);
        var tokens = model.Generate(new ModelInputs { InputIds = TinyModels.Inputs().InputIds }, config).Sequences[0];

        model.To(_torch).Backend.Should().BeSameAs(_torch);

        var (found, foundLoss) = Scores(model);
        found.Zip(expected, (f, e) => Math.Abs(f - e)).Max().Should().BeLessThan(1e-5f);
        foundLoss.Should().BeApproximately(loss, 1e-5f);
        model.Generate(new ModelInputs { InputIds = TinyModels.Inputs().InputIds }, config).Sequences[0].Should().Equal(tokens, "inputs may lie anywhere");
        model.NamedParameters().Should().OnlyContain(p => p.Parameter.Backend == _torch);
    }

    [Fact]
    public void A_model_loaded_there_and_one_moved_there_are_the_same_bits()
    {
        using var moved = TinyModels.Create(2).To(_torch);
        using var loaded = TinyModels.Create(2, _torch);
        using var scope = new TensorScope();
        Scores(loaded).Logits.Should().Equal(Scores(moved).Logits);
    }

    [Fact]
    public void Half_converts_every_floating_point_parameter()
    {
        using var model = TinyModels.Create(2).To(_torch);
        model.Half();
        model.NamedParameters().Should().OnlyContain(p => p.Parameter.DType == DType.Float16);
        using var scope = new TensorScope();
        Scores(model).Logits.Should().OnlyContain(x => float.IsFinite(x));
    }

    [Theory]
    [InlineData(DType.Float16)]
    [InlineData(DType.BFloat16)]
    public void An_unknown_compute_type_is_refused_and_bfloat16_comes_close(DType type)
    {
        FluentActions.Invoking(() => new TorchBackend(new TorchBackendOptions { ComputeType = DType.Int8 })).Should().Throw<ArgumentException>();
        if (type == DType.Float16)
            return; // libtorch multiplies float16 on a GPU only
        var narrow = new TorchBackend(new TorchBackendOptions { ComputeType = type });
        using var model = TinyModels.Create(2);
        using var scope = new TensorScope();
        var expected = Scores(model).Logits;
        var found = Scores(model.To(narrow)).Logits;
        found.Zip(expected, (f, e) => Math.Abs(f - e)).Max().Should().BeInRange(1e-7f, 0.05f);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Training_keeps_memory_flat_over_a_thousand_steps(int generation)
    {
        using var model = TinyModels.Create(generation).To(_torch);
        Module trained = generation == 1 ? model : model.GetPeftModel(new LoraConfig { R = 4, TargetModules = ["query_key_value"] });
        if (generation == 1)
        {
            model.RequiresGrad(false);
            foreach (var (_, parameter) in model.NamedParameters().Where(p => p.Name.Contains("prefix_encoder", StringComparison.Ordinal)))
                parameter.RequiresGrad = true;
        }

        trained.Train();
        var parameters = trained.NamedParameters().Select(p => p.Parameter).Where(p => p.RequiresGrad).ToList();
        using var optimizer = new AdamW(parameters, new AdamWOptions { LearningRate = 1e-3 });
        var inputs = TinyModels.Inputs(_torch);
        var first = Step();
        Step();
        var (buffers, bytes) = (_torch.Memory.LoanedBuffers, _torch.Memory.LoanedBytes);
        var last = 0f;
        for (var step = 0; step < 1000; step++)
            last = Step();
        (_torch.Memory.LoanedBuffers, _torch.Memory.LoanedBytes).Should().Be((buffers, bytes));
        _torch.Memory.RecoveredBuffers.Should().Be(0, "nobody leaves a tensor to the collector");
        last.Should().BeLessThan(first);

        float Step()
        {
            using var scope = new TensorScope();
            var loss = model.Forward(inputs).Loss!;
            loss.Backward();
            optimizer.Step();
            optimizer.ZeroGrad();
            return loss.Item();
        }
    }

    [Fact]
    public void Quantized_weights_stay_quantized_and_give_what_they_stand_for()
    {
        using var model = TinyModels.Create(2);
        model.Quantize(8);
        using var scope = new TensorScope();
        var expected = Scores(model).Logits;
        Scores(model.To(_torch)).Logits.Zip(expected, (f, e) => Math.Abs(f - e)).Max().Should().BeLessThan(1e-4f);
        model.NamedParameters().Should().Contain(p => p.Parameter.DType == DType.Int8);
    }

    private static (float[] Logits, float Loss) Scores(ChatGLMForConditionalGeneration model)
    {
        using var noGrad = GradMode.NoGrad();
        var output = model.Forward(TinyModels.Inputs());
        return (output.Logits.ToFloatArray(), output.Loss!.Item());
    }
}
