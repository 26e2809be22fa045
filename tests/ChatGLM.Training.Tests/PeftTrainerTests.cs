using ChatGLM.Generation;
using ChatGLM.Models;
using ChatGLM.Peft;
using ChatGLM.Training.Worker;

namespace ChatGLM.Training.Tests;

public sealed class PeftTrainerTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void An_adapter_is_trained_alone_and_its_checkpoint_loads_as_an_adapter()
    {
        using var peft = Start();
        var before = Weights(peft, trained: false);
        var first = Weights(peft, trained: true);
        var trainer = new Trainer(peft, Arguments(_folder["out"]), TinyRun.Rows(8));
        trainer.Train().GlobalStep.Should().Be(4);
        Weights(peft, trained: false).Should().Equal(before);
        Weights(peft, trained: true).Should().NotEqual(first);

        var checkpoint = Path.Combine(_folder["out"], "checkpoint-4");
        File.Exists(Path.Combine(checkpoint, "adapter_model.safetensors")).Should().BeTrue();
        File.Exists(Path.Combine(checkpoint, "adapter_config.json")).Should().BeTrue();
        File.Exists(Path.Combine(checkpoint, "model.safetensors")).Should().BeFalse("the base is not trained");
        trainer.SaveModel();
        foreach (var folder in new[] { checkpoint, _folder["out"] })
        {
            using var loaded = PeftModel.FromPretrained(Base(), folder, isTrainable: true);
            Weights(loaded, trained: true).Should().Equal(Weights(peft, trained: true));
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    public void A_cancelled_run_goes_on_to_the_bits_of_one_that_was_not(int cancelAt)
    {
        var arguments = TinyRun.Arguments(_folder["whole"]) with { NumTrainEpochs = 2 };
        using var whole = Start();
        new Trainer(whole, arguments, TinyRun.Rows(29), TinyRun.Rows(4, seed: 2)).Train();

        arguments = arguments with { OutputDir = _folder["cancelled"] };
        using var cancellation = new CancellationTokenSource();
        using (var cancelled = Start())
        {
            var trainer = new Trainer(cancelled, arguments, TinyRun.Rows(29), TinyRun.Rows(4, seed: 2), new() { Callbacks = [new Cancel(cancelAt, cancellation)] });
            trainer.Invoking(t => t.Train(cancellationToken: cancellation.Token)).Should().Throw<OperationCanceledException>();
        }

        using var resumed = Start();
        new Trainer(resumed, arguments, TinyRun.Rows(29), TinyRun.Rows(4, seed: 2)).Train("true");
        Weights(resumed, trained: true).Should().Equal(Weights(whole, trained: true));
    }

    [Fact]
    public void The_active_adapter_is_trained_where_there_are_several()
    {
        using var peft = Start();
        peft.AddAdapter("other", new LoraConfig { R = 2, TargetModules = ["query_key_value"] });
        peft.SetAdapter("other");
        var still = peft.GetPeftModelStateDict().ToDictionary(p => p.Key, p => p.Value.ToFloatArray());
        new Trainer(peft, Arguments(_folder["out"]), TinyRun.Rows(8)).Train();
        foreach (var (key, value) in peft.GetPeftModelStateDict())
            value.ToFloatArray().Should().Equal(still[key]);

        var trained = peft.GetPeftModelStateDict("other").ToDictionary(p => p.Key, p => p.Value.ToFloatArray());
        using var again = Start();
        again.AddAdapter("other", new LoraConfig { R = 2, TargetModules = ["query_key_value"] });
        again.SetAdapter("other");
        ((TrainableModel)again).Load(Path.Combine(_folder["out"], "checkpoint-4"));
        foreach (var (key, value) in again.GetPeftModelStateDict("other"))
            value.ToFloatArray().Should().Equal(trained[key]);
    }

    [Fact]
    public void Prediction_generates_through_the_adapter()
    {
        using var peft = Start();
        var arguments = Arguments(_folder["out"]) with { MaxSteps = 30, LearningRate = 0.1, PredictWithGenerate = true, SaveStrategy = IntervalStrategy.No };
        var trainer = new Trainer(peft, arguments, TinyRun.Rows(4), options: new() { Generation = new GenerationConfig { MaxNewTokens = 4, DoSample = false } });
        var prompts = TinyRun.Rows(2).Select(row => new TokenizedExample(row.InputIds[..6])).ToArray();
        trainer.Train();
        var through = trainer.Predict(prompts).Predictions;
        using (peft.DisableAdapter())
            trainer.Predict(prompts).Predictions.Should().NotBeEquivalentTo(through);
    }

    [Fact]
    public void A_checkpoint_without_an_adapter_is_refused_by_folder()
    {
        using var peft = Start();
        Directory.CreateDirectory(_folder["empty"]);
        ((TrainableModel)peft).Invoking(m => m.Load(_folder["empty"])).Should().Throw<TrainingCheckpointException>().WithMessage("*empty*adapter_model.safetensors*");
    }

    private static ChatGLMForConditionalGeneration Base() => AutoModel.FromConfig(TinyRun.Config with { PreSeqLen = null }, new ModelOptions { Seed = 7 });

    private static PeftModelForCausalLM Start() => Base().GetPeftModel(new LoraConfig { R = 4, LoraAlpha = 16, TargetModules = ["query_key_value"], LoraDropout = 0.1f });

    private static TrainingArguments Arguments(string folder) => new() { OutputDir = folder, PerDeviceTrainBatchSize = 2, MaxSteps = 4, SaveSteps = 4, LearningRate = 1e-2 };

    private static float[] Weights(PeftModel model, bool trained) =>
        [.. model.NamedParameters().Where(p => p.Parameter.RequiresGrad == trained).SelectMany(p => p.Parameter.ToFloatArray())];

    private sealed class Cancel(int step, CancellationTokenSource source) : TrainerCallback
    {
        public override void OnStepEnd(TrainerContext context)
        {
            if (context.State.GlobalStep == step)
                source.Cancel();
        }
    }
}
