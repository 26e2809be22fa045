using ChatGLM.Models;
using ChatGLM.Peft;
using ChatGLM.Tensors;
using ChatGLM.Training.Worker;

namespace ChatGLM.Training.Tests;

/// <summary>AdaLoRA through the trainer: ranks are taken away on schedule, also across a stop.</summary>
public sealed class AdaLoraTrainerTests : IDisposable
{
    private const int Steps = 16;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Ranks_shrink_to_the_target_and_the_loss_falls()
    {
        using var peft = Start();
        var events = new Ranks(peft);
        var output = Trainer(peft, _folder["out"], events).Train();
        output.GlobalStep.Should().Be(Steps);
        var losses = events.Losses;
        losses[^1].Should().BeLessThan(losses[0]);

        events.Kept.Should().HaveCount(Steps);
        events.Kept[..3].Should().AllBeEquivalentTo(Layers * 5, "the first three steps take nothing away");
        events.Kept[^1].Should().Be(Layers * 2);
        events.Kept.Should().BeInDescendingOrder();
        events.NonZero[^4..].Should().AllBeEquivalentTo(Layers * 2, "from the last decision on the rest stays 0");

        peft.SavePretrained(_folder["adapter"]);
        using var loaded = PeftModel.FromPretrained(Base(), _folder["adapter"]);
        loaded.GetPeftModelStateDict().Where(p => p.Key.EndsWith("lora_E", StringComparison.Ordinal)).Sum(p => p.Value.ElementCount).Should().Be(Layers * 2);
        Logits(loaded.Model).Zip(Logits(peft.Model), (a, b) => Math.Abs(a - b)).Max().Should().BeLessThan(1e-5f);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(7)]
    [InlineData(14)] // after the last decision
    public void A_cancelled_run_goes_on_to_the_bits_of_one_that_was_not(int cancelAt)
    {
        using var whole = Start();
        Trainer(whole, _folder["whole"]).Train();

        using var cancellation = new CancellationTokenSource();
        using (var cancelled = Start())
            Trainer(cancelled, _folder["cancelled"], new Cancel(cancelAt, cancellation)).Invoking(t => t.Train(cancellationToken: cancellation.Token)).Should().Throw<OperationCanceledException>();

        using var resumed = Start();
        Trainer(resumed, _folder["cancelled"]).Train("true");
        Weights(resumed).Should().Equal(Weights(whole));
        ((AdaLoraConfig)resumed.PeftConfigs["default"]).RankPattern.Should().BeEquivalentTo(((AdaLoraConfig)whole.PeftConfigs["default"]).RankPattern);
    }

    [Fact]
    public void The_best_model_comes_back_with_its_own_ranks()
    {
        using var peft = Start();
        var values = new Queue<double>([1, 9, 3, 2]);
        var arguments = Arguments(_folder["out"]) with { EvaluationStrategy = IntervalStrategy.Steps, EvalSteps = 4, SaveSteps = 4, LoadBestModelAtEnd = true, MetricForBestModel = "worth" };
        new Trainer(peft, arguments, TinyRun.Rows(8), TinyRun.Rows(2), new() { Callbacks = [new AdaLoraCallback(peft)], ComputeMetrics = _ => new Dictionary<string, double> { ["worth"] = values.Dequeue() } }).Train();
        var best = (AdaLoraConfig)PeftConfig.FromPretrained(Path.Combine(_folder["out"], "checkpoint-8"));
        ((AdaLoraConfig)peft.PeftConfigs["default"]).RankPattern.Should().BeEquivalentTo(best.RankPattern);
        best.RankPattern!.Values.Sum(kept => kept.Count(k => k)).Should().BeGreaterThan(Layers * 2);
        using var loaded = PeftModel.FromPretrained(Base(), Path.Combine(_folder["out"], "checkpoint-8"));
        Logits(loaded.Model).Zip(Logits(peft.Model), (a, b) => Math.Abs(a - b)).Max().Should().BeLessThan(1e-5f);
    }

    [Fact]
    public void A_schedule_of_another_length_than_the_run_is_refused()
    {
        using var peft = Start();
        var arguments = Arguments(_folder["out"]) with { MaxSteps = Steps + 1 };
        var trainer = new Trainer(peft, arguments, TinyRun.Rows(8), options: new() { Callbacks = [new AdaLoraCallback(peft)] });
        trainer.Invoking(t => t.Train()).Should().Throw<TrainingArgumentsException>().WithMessage($"*has {Steps}*{Steps + 1} optimizer steps*");
    }

    private const int Layers = 4;

    private static ChatGLMForConditionalGeneration Base() => AutoModel.FromConfig(TinyRun.Config with { PreSeqLen = null }, new ModelOptions { Seed = 7 });

    private static PeftModelForCausalLM Start() => Base().GetPeftModel(new AdaLoraConfig
    {
        InitR = 5, TargetR = 2, Tinit = 3, Tfinal = 4, DeltaT = 2, TotalStep = Steps, OrthRegWeight = 0.1, LoraAlpha = 16, LoraDropout = 0.1f, TargetModules = ["query_key_value", "dense"],
    });

    private static TrainingArguments Arguments(string folder) =>
        new() { OutputDir = folder, PerDeviceTrainBatchSize = 2, GradientAccumulationSteps = 2, MaxSteps = Steps, SaveSteps = 100, LearningRate = 2e-2, LoggingSteps = 1 };

    private static Trainer Trainer(PeftModel peft, string folder, params TrainerCallback[] callbacks) =>
        new(peft, Arguments(folder), TinyRun.Rows(8), options: new() { Callbacks = [new AdaLoraCallback(peft), .. callbacks] });

    private static float[] Weights(PeftModel model) => [.. model.NamedParameters().Where(p => p.Parameter.RequiresGrad).SelectMany(p => p.Parameter.ToFloatArray())];

    private static float[] Logits(PreTrainedModel model)
    {
        using var noGrad = GradMode.NoGrad();
        using var scope = new TensorScope();
        return model.Forward(new ModelInputs { InputIds = Tensor.From(new long[] { 7, 21, 35, 8 }, [1, 4]) }).Logits.ToFloatArray();
    }

    private sealed class Ranks(PeftModel model) : TrainerCallback
    {
        public List<int> Kept { get; } = [];

        public List<int> NonZero { get; } = [];

        public List<double> Losses { get; } = [];

        public override void OnStepEnd(TrainerContext context)
        {
            Kept.Add(((AdaLoraConfig)model.PeftConfigs["default"]).RankPattern?.Values.Sum(kept => kept.Count(k => k)) ?? Layers * 5);
            NonZero.Add(model.NamedParameters().Where(p => p.Name.Contains("lora_E")).Sum(p => p.Parameter.ToFloatArray().Count(v => v != 0)));
        }

        public override void OnLog(TrainerContext context)
        {
            if (context.Metrics.TryGetValue("loss", out var loss))
                Losses.Add(loss);
        }
    }

    private sealed class Cancel(int step, CancellationTokenSource source) : TrainerCallback
    {
        public override void OnStepEnd(TrainerContext context)
        {
            if (context.State.GlobalStep == step)
                source.Cancel();
        }
    }
}
