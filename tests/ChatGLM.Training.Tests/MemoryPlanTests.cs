using ChatGLM.Models;
using ChatGLM.Peft;
using ChatGLM.Tensors;
using Xunit.Abstractions;

namespace ChatGLM.Training.Tests;

public sealed class MemoryPlanTests(ITestOutputHelper output) : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    /// <summary>The plan of a run against what its steps have on loan at most. What is too little lets a run begin that dies; what is far too much refuses one that would do.</summary>
    [Theory]
    [InlineData(true, false, false)]
    [InlineData(true, true, false)]
    [InlineData(false, false, false)]
    [InlineData(false, true, false)]
    [InlineData(true, false, true)]
    [InlineData(false, false, true)]
    public void What_is_planned_is_what_is_taken(bool isLater, bool checkpointing, bool isWhole)
    {
        var backend = new CpuBackend();
        ChatGLMConfig config = isLater
            ? new ChatGLM2Config { PaddedVocabSize = 512, HiddenSize = 128, NumAttentionHeads = 4, KvChannels = 32, NumLayers = 6, FfnHiddenSize = 344, SeqLength = 256, MultiQueryGroupNum = 2 }
            : new ChatGLM6BConfig { VocabSize = 512, HiddenSize = 128, NumAttentionHeads = 4, NumLayers = 6, InnerHiddenSize = 512, MaxSequenceLength = 256, BosTokenId = 500, EosTokenIds = [501], MaskTokenId = 502, GMaskTokenId = 503 };
        using var model = AutoModel.FromConfig(config, new ModelOptions { Seed = 1, Backend = backend });
        TrainableModel trained = isWhole ? model : model.GetPeftModel(new LoraConfig { R = 4, TargetModules = ["query_key_value"] });
        var before = backend.Memory.LoanedBytes;
        var rows = Enumerable.Range(0, 4).Select(row => Row(row, isLater)).ToArray();
        var arguments = new TrainingArguments
        {
            OutputDir = _folder.Path, PerDeviceTrainBatchSize = 4, MaxSteps = 3, SaveStrategy = IntervalStrategy.No, GradientCheckpointing = checkpointing, ReportTo = "none",
        };
        var trainer = new Trainer(trained, arguments, rows);
        trainer.Train();
        var plan = trainer.MemoryPlan!;
        var taken = backend.Memory.PeakLoanedBytes - before;
        output.WriteLine($"planned {plan.RequiredBytes:N0}, taken {taken:N0} ({(double)plan.RequiredBytes / taken:P0})");
        plan.RequiredBytes.Should().BeGreaterThan((long)(taken * 0.9)).And.BeLessThan((long)(taken * 2.2));
    }

    [Fact]
    public void Weights_in_mapped_files_are_told_from_those_in_memory()
    {
        using (var fresh = AutoModel.FromConfig(Worker.TinyRun.Config with { PreSeqLen = null }, new ModelOptions { Seed = 7 }))
            fresh.SavePretrained(_folder["base"]);
        using var model = AutoModel.FromPretrained(_folder["base"]);
        var arguments = new TrainingArguments { OutputDir = _folder["out"], MaxSteps = 1, SaveStrategy = IntervalStrategy.No, ReportTo = "none" };
        var whole = MemoryPlan.Estimate(model, arguments, longestRow: 12);
        whole.MappedWeightBytes.Should().Be(whole.WeightBytes);
        whole.CopiedBytes.Should().Be(whole.WeightBytes, "a step gives what it changes memory of its own");
        var peft = model.GetPeftModel(new LoraConfig { R = 4, TargetModules = ["query_key_value"] });
        var adapter = MemoryPlan.Estimate(peft, arguments, longestRow: 12);
        adapter.CopiedBytes.Should().Be(0, "the adapter is in memory already");
        (adapter.WeightBytes - adapter.MappedWeightBytes).Should().Be(adapter.TrainableBytes);
        adapter.TotalBytes.Should().Be(adapter.TrainableBytes + adapter.RequiredBytes);
    }

    [Fact]
    public void An_8_bit_optimizer_is_planned_with_a_quarter_of_the_state()
    {
        using var model = AutoModel.FromConfig(Worker.TinyRun.Config with { PreSeqLen = 64, HiddenSize = 64, KvChannels = 16 }, new ModelOptions { Seed = 7 });
        long StateOf(OptimizerType optim) => MemoryPlan.Estimate(model, new TrainingArguments { OutputDir = "out", Optim = optim }, 12).OptimizerBytes;
        StateOf(OptimizerType.Adamw8Bit).Should().BeInRange(StateOf(OptimizerType.AdamwTorch) / 4, (long)(StateOf(OptimizerType.AdamwTorch) / 3.9));
        StateOf(OptimizerType.Adafactor).Should().BeLessThan(StateOf(OptimizerType.AdamwTorch) / 20);
    }

    [Fact]
    public void The_limit_is_that_of_the_machine_or_its_container()
    {
        using var model = AutoModel.FromConfig(Worker.TinyRun.Config, new ModelOptions { Seed = 7 });
        var plan = MemoryPlan.Estimate(model, new TrainingArguments { OutputDir = "out" }, 12);
        plan.LimitBytes.Should().Be(GC.GetGCMemoryInfo(GCKind.Any).TotalAvailableMemoryBytes);
        plan.AvailableBytes.Should().BeInRange(0, plan.LimitBytes);
        plan.Fits.Should().BeTrue();
    }

    private static TokenizedExample Row(int seed, bool isLater)
    {
        const int Length = 96;
        var random = new Random(seed);
        var ids = Enumerable.Range(0, Length).Select(_ => random.Next(5, 400)).ToArray();
        if (!isLater)
            (ids[Length / 2], ids[(Length / 2) + 1]) = (503, 500);
        return new TokenizedExample(ids, ids);
    }
}
