using System.Text.Json;
using ChatGLM.Models;
using ChatGLM.Peft;
using ChatGLM.Tensors;
using ChatGLM.Training.Worker;

namespace ChatGLM.Training.Tests;

public sealed class TrainerTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_loss_falls_and_only_the_prefix_moves()
    {
        using var model = Model();
        var before = Weights(model, trained: false);
        var output = new Trainer(model, TinyRun.Arguments(_folder.Path) with { NumTrainEpochs = 20, LearningRate = 0.05, LoadBestModelAtEnd = false }, TinyRun.Rows(8), TinyRun.Rows(2)).Train();
        output.GlobalStep.Should().Be(20);
        var history = State(_folder.Path).GetProperty("log_history").EnumerateArray().Where(e => e.TryGetProperty("loss", out _)).Select(e => e.GetProperty("loss").GetDouble()).ToArray();
        history[^1].Should().BeLessThan(history[0]);
        Weights(model, trained: false).Should().Equal(before);
    }

    [Fact]
    public void Accumulated_small_batches_step_as_one_large_batch_does()
    {
        float[] Run(int size, int accumulation)
        {
            using var model = Model();
            var arguments = Plain() with { PerDeviceTrainBatchSize = size, GradientAccumulationSteps = accumulation, MaxSteps = 3 };
            // Plain gradient descent: Adam would blow up rounding where a gradient is nearly zero.
            new Trainer(model, arguments with { Optim = OptimizerType.Sgd, LearningRate = 0.1 }, TinyRun.Rows(12), options: NoDropout(model)).Train();
            return Weights(model, trained: true);
        }

        Run(4, 1).Zip(Run(1, 4), (a, b) => Math.Abs(a - b)).Max().Should().BeLessThan(1e-6f);
    }

    [Fact]
    public void Batches_behind_the_last_step_of_an_epoch_count_into_the_next()
    {
        using var model = Model();
        var events = new Events();
        new Trainer(model, Plain() with { PerDeviceTrainBatchSize = 1, GradientAccumulationSteps = 2, NumTrainEpochs = 2 }, TinyRun.Rows(5), options: new() { Callbacks = [events] }).Train();
        const string Step = "step substep /step ";
        string.Concat(events.Seen).Should().Be($"init train epoch {Step}{Step}step substep /epoch epoch /step {Step}/epoch log end", "the run has 2 * (5 / 2) = 4 steps");
    }

    [Theory]
    [InlineData(IntervalStrategy.Steps)]
    [InlineData(IntervalStrategy.Epoch)]
    public void A_run_that_was_cancelled_and_resumed_ends_with_the_bits_of_one_that_was_not(IntervalStrategy strategy)
    {
        var arguments = TinyRun.Arguments(_folder["whole"]) with { SaveStrategy = strategy, EvaluationStrategy = strategy };
        var whole = Train(arguments, cancelAt: null);
        foreach (var cancelAt in new[] { 1, 5, 6, 13 })
        {
            var folder = _folder[$"cancelled-{cancelAt}"];
            FluentActions.Invoking(() => Train(arguments with { OutputDir = folder }, cancelAt)).Should().Throw<OperationCanceledException>().WithMessage("*checkpoint-*");
            Directory.Exists(Path.Combine(folder, $"checkpoint-{cancelAt}")).Should().BeTrue();
            Train(arguments with { OutputDir = folder, ResumeFromCheckpoint = "true" }, cancelAt: null).Should().Equal(whole);
        }
    }

    [Fact]
    public void A_run_resumed_from_the_end_of_an_epoch_with_gradients_under_way_ends_with_the_same_bits()
    {
        // 15 batches of an epoch, 4 in a step: three are left over at the end of the first.
        var arguments = TinyRun.Arguments(_folder["whole"]) with { SaveStrategy = IntervalStrategy.Epoch, EvaluationStrategy = IntervalStrategy.Epoch, GradientAccumulationSteps = 4, SaveTotalLimit = null };
        var whole = Train(arguments, cancelAt: null);
        var first = Directory.EnumerateDirectories(_folder["whole"], "checkpoint-*").MinBy(path => int.Parse(Path.GetFileName(path)["checkpoint-".Length..], System.Globalization.CultureInfo.InvariantCulture))!;
        using var model = Model();
        new Trainer(model, arguments with { OutputDir = _folder["resumed"] }, TinyRun.Rows(29), TinyRun.Rows(4, seed: 2)).Train(first);
        Weights(model, trained: true).Should().Equal(whole);
        History(_folder["resumed"]).Should().Equal(History(_folder["whole"]));
    }

    [Fact]
    public void Rotation_keeps_the_best_and_the_newest()
    {
        // The metric is best at the second evaluation.
        var values = new Queue<double>([3, 9, 4, 2, 1, 0, 0, 0, 0, 0]);
        using var model = Model();
        var arguments = TinyRun.Arguments(_folder.Path) with { MetricForBestModel = "worth", SaveTotalLimit = 1, MaxSteps = 10 };
        var trainer = new Trainer(model, arguments, TinyRun.Rows(29), TinyRun.Rows(2), new() { ComputeMetrics = _ => new Dictionary<string, double> { ["worth"] = values.Dequeue() } });
        trainer.Train();
        trainer.State.BestMetric.Should().Be(9);
        Directory.EnumerateDirectories(_folder.Path, "checkpoint-*").Select(Path.GetFileName).Should().BeEquivalentTo("checkpoint-4", "checkpoint-10");
        using var best = Model();
        ((TrainableModel)best).Load(_folder["checkpoint-4"]);
        Weights(model, trained: true).Should().Equal(Weights(best, trained: true), "the best model is loaded at the end");
    }

    [Fact]
    public void Early_stopping_ends_a_run_that_gets_no_better()
    {
        var value = 10.0;
        using var model = Model();
        var options = new TrainerOptions { ComputeMetrics = _ => new Dictionary<string, double> { ["worth"] = value-- }, Callbacks = [new EarlyStoppingCallback(patience: 3)] };
        var output = new Trainer(model, TinyRun.Arguments(_folder.Path) with { MetricForBestModel = "worth" }, TinyRun.Rows(29), TinyRun.Rows(2), options).Train();
        output.GlobalStep.Should().Be(8, "the first evaluation is the best, and three worse ones follow");
    }

    [Fact]
    public void A_damaged_checkpoint_is_refused_by_file()
    {
        using var model = Model();
        var trainer = new Trainer(model, Plain() with { SaveStrategy = IntervalStrategy.Steps, SaveSteps = 2, MaxSteps = 2 }, TinyRun.Rows(8));
        trainer.Train();
        var path = Path.Combine(_folder["checkpoint-2"], "optimizer.pt");
        var bytes = File.ReadAllBytes(path);
        bytes[^1] ^= 1;
        File.WriteAllBytes(path, bytes);
        trainer.Invoking(t => t.Train("true")).Should().Throw<TrainingCheckpointException>().WithMessage("*optimizer.pt*SHA-256*earlier*");
        File.WriteAllBytes(path, bytes[..^1]);
        trainer.Invoking(t => t.Train("true")).Should().Throw<TrainingCheckpointException>().WithMessage("*optimizer.pt*bytes*");
        File.Delete(path);
        trainer.Invoking(t => t.Train("true")).Should().Throw<TrainingCheckpointException>().WithMessage("*missing*");
    }

    [Fact]
    public void A_loss_that_is_not_finite_stops_the_run_and_leaves_the_parameters()
    {
        using var model = Model();
        var options = new TrainerOptions { ComputeLoss = BadAt(3) };
        var arguments = Plain() with { MaxSteps = 2 };
        new Trainer(model, arguments, TinyRun.Rows(8), options: new TrainerOptions { ComputeLoss = BadAt(99) }).Train();
        var expected = Weights(model, trained: true);
        using var stopped = Model();
        FluentActions.Invoking(() => new Trainer(stopped, Plain() with { MaxSteps = 2 }, TinyRun.Rows(8), options: options).Train()).Should().NotThrow();
        Weights(stopped, trained: true).Should().Equal(expected);
        using var third = Model();
        FluentActions.Invoking(() => new Trainer(third, Plain() with { MaxSteps = 5, LrSchedulerType = SchedulerType.Constant }, TinyRun.Rows(8), options: new() { ComputeLoss = BadAt(3) }).Train())
            .Should().Throw<NonFiniteException>().Which.Step.Should().Be(3);
    }

    [Fact]
    public void A_loss_that_is_not_finite_can_be_left_out_and_is_logged()
    {
        using var model = Model();
        var trainer = new Trainer(model, Plain() with { MaxSteps = 4, NonFinitePolicy = NonFinitePolicy.Skip, LoggingSteps = 1 }, TinyRun.Rows(8), options: new() { ComputeLoss = BadAt(3) });
        trainer.Train();
        trainer.State.SkippedSteps.Should().Be(1);
        trainer.State.LogHistory[^1]["skipped_steps"].Should().Be(1);
        Weights(model, trained: true).Should().OnlyContain(w => float.IsFinite(w));
    }

    [Fact]
    public void A_run_that_does_not_fit_is_refused_before_it_starts()
    {
        using var model = Model();
        FluentActions.Invoking(() => new Trainer(model, Plain() with { MemoryLimitBytes = 1000 }, TinyRun.Rows(8)).Train()).Should().Throw<TrainingArgumentsException>().WithMessage("*does not fit*MiB*");
    }

    [Fact]
    public void Memory_is_flat_over_many_steps()
    {
        var backend = new CpuBackend();
        using var model = AutoModel.FromConfig(TinyRun.Config, new ModelOptions { Seed = 7, Backend = backend });
        var loaned = new List<long>();
        var progress = new Steps(p => loaned.Add(backend.Memory.LoanedBytes));
        new Trainer(model, Plain() with { MaxSteps = 1000, PerDeviceTrainBatchSize = 1 }, TinyRun.Rows(8), options: new() { Progress = progress }).Train();
        loaned[^1].Should().BeLessThanOrEqualTo(loaned[3]);
        loaned.Should().HaveCount(1000);
    }

    [Fact]
    public void Memory_is_flat_over_many_steps_with_an_adapter_logging_and_an_8_bit_optimizer()
    {
        var backend = new CpuBackend();
        using var peft = AutoModel.FromConfig(TinyRun.Config with { PreSeqLen = null, HiddenSize = 64, KvChannels = 16 }, new ModelOptions { Seed = 7, Backend = backend })
            .GetPeftModel(new LoraConfig { R = 64, LoraDropout = 0.1f, TargetModules = ["query_key_value"] });
        var loaned = new List<long>();
        var progress = new Steps(p => loaned.Add(backend.Memory.LoanedBytes));
        var arguments = Plain() with { MaxSteps = 1000, PerDeviceTrainBatchSize = 1, LoggingSteps = 5, Optim = OptimizerType.Adamw8Bit };
        new Trainer(peft, arguments, TinyRun.Rows(8), options: new() { Progress = progress }).Train();
        loaned.Should().HaveCount(1000);
        loaned[^1].Should().BeLessThanOrEqualTo(loaned[3]);
    }

    [Fact]
    public void A_loss_can_be_computed_by_an_override()
    {
        using var model = Model();
        var trainer = new TwiceTheLoss(model, Plain() with { MaxSteps = 2, LoggingSteps = 1, Optim = OptimizerType.Sgd }, TinyRun.Rows(8));
        trainer.Train();
        using var other = Model();
        var plain = new Trainer(other, Plain() with { MaxSteps = 2, LoggingSteps = 1, Optim = OptimizerType.Sgd }, TinyRun.Rows(8));
        plain.Train();
        trainer.State.LogHistory[0]["loss"].Should().BeApproximately(2 * plain.State.LogHistory[0]["loss"], 2e-4);
        trainer.Evaluate(TinyRun.Rows(2))["eval_loss"].Should().BeGreaterThan(1.9 * plain.Evaluate(TinyRun.Rows(2))["eval_loss"]);
    }

    [Fact]
    public void Metrics_get_the_inputs_on_request()
    {
        using var model = Model();
        var seen = new List<EvalPrediction>();
        var options = new TrainerOptions
        {
            ComputeMetrics = prediction =>
            {
                seen.Add(prediction);
                return new Dictionary<string, double>();
            },
        };
        var rows = TinyRun.Rows(3);
        new Seq2SeqTrainer(model, new Seq2SeqTrainingArguments { OutputDir = _folder.Path, IncludeInputsForMetrics = true, ReportTo = "none" }, options: options).Evaluate(rows);
        new Trainer(model, Plain(), options: options).Evaluate(rows);
        seen[0].Inputs.Should().Equal(rows.Select(row => row.InputIds));
        seen[1].Inputs.Should().BeNull();
    }

    private sealed class TwiceTheLoss(ChatGLMForConditionalGeneration model, TrainingArguments arguments, IReadOnlyList<TokenizedExample> rows) : Trainer(model, arguments, rows)
    {
        protected override Tensor ComputeLoss(ModelInputs inputs) => Functional.Affine(base.ComputeLoss(inputs), 2, 0);
    }

    private static ChatGLMForConditionalGeneration Model() => AutoModel.FromConfig(TinyRun.Config, new ModelOptions { Seed = 7 });

    private TrainingArguments Plain() => new() { OutputDir = _folder.Path, PerDeviceTrainBatchSize = 2, SaveStrategy = IntervalStrategy.No, LearningRate = 1e-2 };

    private static TrainerOptions NoDropout(ChatGLMForConditionalGeneration model) => new()
    {
        ComputeLoss = (_, inputs) =>
        {
            model.Eval();
            return model.Forward(inputs).Loss!;
        },
    };

    private static Func<TrainableModel, ModelInputs, Tensor> BadAt(int call)
    {
        var calls = 0;
        return (model, inputs) =>
        {
            var loss = model.Forward(inputs).Loss!;
            return ++calls == call ? Functional.Affine(loss, float.NaN, 0) : loss;
        };
    }

    private static float[] Train(TrainingArguments arguments, int? cancelAt)
    {
        using var model = Model();
        using var cancellation = new CancellationTokenSource();
        var progress = new Steps(p =>
        {
            if (p.Step == cancelAt)
                cancellation.Cancel();
        });
        new Trainer(model, arguments, TinyRun.Rows(29), TinyRun.Rows(4, seed: 2), new() { Progress = progress }).Train(cancellationToken: cancellation.Token);
        return Weights(model, trained: true);
    }

    private static float[] Weights(ChatGLMForConditionalGeneration model, bool trained) =>
        [.. model.NamedParameters().Where(p => p.Parameter.RequiresGrad == trained).SelectMany(p => p.Parameter.ToFloatArray())];

    private static JsonElement State(string folder)
    {
        var newest = Directory.EnumerateDirectories(folder, "checkpoint-*").MaxBy(path => int.Parse(Path.GetFileName(path)["checkpoint-".Length..], System.Globalization.CultureInfo.InvariantCulture))!;
        using var document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(newest, "trainer_state.json")));
        return document.RootElement.Clone();
    }

    private static string[] History(string folder) =>
        [.. State(folder).GetProperty("log_history").EnumerateArray().Where(e => e.TryGetProperty("loss", out _)).Select(e => e.GetRawText())];

    private sealed class Steps(Action<TrainingProgress> report) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => report(value);
    }

    private sealed class Events : TrainerCallback
    {
        public List<string> Seen { get; } = [];

        public override void OnInitEnd(TrainerContext context) => Seen.Add("init ");

        public override void OnTrainBegin(TrainerContext context) => Seen.Add("train ");

        public override void OnTrainEnd(TrainerContext context) => Seen.Add("end");

        public override void OnEpochBegin(TrainerContext context) => Seen.Add("epoch ");

        public override void OnEpochEnd(TrainerContext context) => Seen.Add("/epoch ");

        public override void OnStepBegin(TrainerContext context) => Seen.Add("step ");

        public override void OnSubstepEnd(TrainerContext context) => Seen.Add("substep ");

        public override void OnStepEnd(TrainerContext context) => Seen.Add("/step ");

        public override void OnLog(TrainerContext context) => Seen.Add("log ");
    }
}
