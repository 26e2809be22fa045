using System.Text.Json;
using ChatGLM.Formats;
using ChatGLM.Models;
using ChatGLM.Tensors;
using ChatGLM.Training.Worker;

namespace ChatGLM.Training.Tests;

/// <summary>The files of a checkpoint are those of transformers, in both directions.</summary>
public sealed class CheckpointFilesTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Optimizer_state_has_the_form_of_PyTorch()
    {
        Save(OptimizerType.AdamwTorch);
        var file = Dict(TorchArchive.Load(_folder["checkpoint-2/optimizer.pt"]));
        file.Keys.Should().Equal("state", "param_groups");
        var groups = ((List<object?>)file["param_groups"]!).Select(Dict).ToArray();
        groups.Should().HaveCount(2, "transformers makes a group with weight decay and one without");
        groups[0]["weight_decay"].Should().Be(0.01);
        groups[1]["weight_decay"].Should().Be(0.0);
        groups[0]["betas"].Should().BeEquivalentTo(new object?[] { 0.9, 0.999 }, options => options.WithStrictOrdering());
        groups[0].Keys.Should().Contain(["lr", "eps", "amsgrad", "initial_lr", "params"]);
        groups.SelectMany(group => (List<object?>)group["params"]!).Should().Equal([0L], "the prefix is the one parameter");
        var state = Dict(Dict(file["state"])[0L]);
        state.Keys.Should().Equal("step", "exp_avg", "exp_avg_sq");
        state["step"].Should().BeOfType<Tensor>().Which.ToArray<float>().Should().Equal(2);
        state["exp_avg"].Should().BeOfType<Tensor>().Which.Shape.Should().Be(new Shape(4, 2 * 2 * 2 * 8));
    }

    [Fact]
    public void The_schedule_has_the_form_of_LambdaLR()
    {
        Save(OptimizerType.AdamwTorch);
        var file = Dict(TorchArchive.Load(_folder["checkpoint-2/scheduler.pt"]));
        file.Keys.Should().Equal("base_lrs", "last_epoch", "verbose", "_step_count", "_get_lr_called_within_step", "_last_lr", "lr_lambdas");
        file["last_epoch"].Should().Be(2L);
        file["_step_count"].Should().Be(3L);
        file["base_lrs"].Should().BeEquivalentTo(new object?[] { 1e-2, 1e-2 });
        ((List<object?>)file["_last_lr"]!).Should().AllBeEquivalentTo(1e-2 * 0.5);
    }

    [Fact]
    public void Random_numbers_start_as_those_of_Python_and_numpy()
    {
        using var scope = new TensorScope();
        var recorded = Dict(TorchArchive.Load(Path.Combine(AppContext.BaseDirectory, "Recorded", "rng_state.pth")));
        Flat(RandomStates.Python(42)).Should().Equal(Flat(recorded["python"]));
        var numpy = (object?[])recorded["numpy"]!;
        var words = numpy[1].Should().BeOfType<NumpyArray>().Subject;
        words.DType.Should().Be("u4");
        words.Shape.Should().Equal(624);
        var expected = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, uint>(words.Bytes.Span).ToArray();
        var ours = RandomStates.Numpy(42);
        ((object?[])ours[1]!).Select(Convert.ToUInt32).Should().Equal(expected);
        (ours[0], Convert.ToInt64(ours[2]), Convert.ToInt64(ours[3]), ours[4]).Should().Be((numpy[0], (long)numpy[2]!, (long)numpy[3]!, numpy[4]));
        ((Tensor)recorded["cpu"]!).ToArray<byte>().Should().Equal(new TorchGenerator(42).GetState());
        Flat(RandomStates.Python(-42)).Should().Equal(Flat(RandomStates.Python(42)), "Python takes the absolute value");

        static IEnumerable<string> Flat(object? value) =>
            value is object?[] items ? items.SelectMany(Flat) : [Convert.ToString(value, System.Globalization.CultureInfo.InvariantCulture) ?? ""];
    }

    [Fact]
    public void The_state_file_holds_nothing_that_transformers_does_not_know()
    {
        Save(OptimizerType.AdamwTorch);
        using var state = JsonDocument.Parse(File.ReadAllBytes(_folder["checkpoint-2/trainer_state.json"]));
        // TrainerState(**json): an unknown key is an error there.
        state.RootElement.EnumerateObject().Select(p => p.Name).Should().BeSubsetOf(
            ["epoch", "global_step", "max_steps", "logging_steps", "eval_steps", "save_steps", "num_train_epochs", "total_flos", "log_history", "best_metric", "best_model_checkpoint",
                "is_local_process_zero", "is_world_process_zero", "is_hyper_param_search", "trial_name", "trial_params"]);
    }

    [Theory]
    [InlineData(OptimizerType.AdamwTorch)]
    [InlineData(OptimizerType.AdamwHf)]
    [InlineData(OptimizerType.Adafactor)]
    [InlineData(OptimizerType.Sgd)]
    [InlineData(OptimizerType.Adagrad)]
    [InlineData(OptimizerType.Adamw8Bit)]
    public void Every_optimizer_goes_on_to_the_same_bits(OptimizerType optim)
    {
        var whole = Save(optim, steps: 5, saveAt: 2);
        using var resumed = Model(optim);
        new Trainer(resumed, Arguments(optim, 5, 2), TinyRun.Rows(8)).Train(_folder["checkpoint-2"]);
        Weights(resumed).Should().Equal(whole);
    }

    [Theory]
    [InlineData(OptimizerType.AdamwTorch)]
    [InlineData(OptimizerType.Adafactor)]
    [InlineData(OptimizerType.Sgd)]
    public void A_folder_without_our_own_file_goes_on_as_Python_would(OptimizerType optim)
    {
        var whole = Save(optim, steps: 8, saveAt: 4);
        // Four steps are an epoch: there Python knows all that we know.
        var checkpoint = _folder["checkpoint-4"];
        File.Delete(Path.Combine(checkpoint, "trainer_progress.json"));
        File.Delete(Path.Combine(checkpoint, "manifest.json"));
        File.WriteAllBytes(Path.Combine(checkpoint, "training_args.bin"), [0x80, 2, 0x63, 0x6f, 0x73]);
        using var resumed = Model();
        new Trainer(resumed, Arguments(optim, 8, 4), TinyRun.Rows(8)).Train(checkpoint);
        Weights(resumed).Should().Equal(whole);
    }

    [Fact]
    public void Moments_of_eight_bits_are_saved_as_bitsandbytes_reads_them()
    {
        Save(OptimizerType.Adamw8Bit);
        var state = Dict(Dict(Dict(TorchArchive.Load(_folder["checkpoint-2/optimizer.pt"]))["state"])[0L]);
        state.Keys.Should().Equal("step", "state1", "state2", "absmax1", "absmax2", "qmap1", "qmap2");
        state["step"].Should().Be(2L);
        state["state1"].Should().BeOfType<Tensor>().Which.DType.Should().Be(DType.UInt8);
        state["absmax2"].Should().BeOfType<Tensor>().Which.Shape.Should().Be(new Shape(2));
        ((Tensor)state["qmap1"]!).ToArray<float>().Should().Equal(DynamicMap.Signed.ToArray());
        ((Tensor)state["qmap2"]!).ToArray<float>().Should().Equal(DynamicMap.Unsigned.ToArray());
    }

    [Fact]
    public void The_state_of_another_optimizer_is_refused_by_file()
    {
        Save(OptimizerType.Adagrad);
        using var model = Model();
        var before = Weights(model);
        FluentActions.Invoking(() => new Trainer(model, Arguments(OptimizerType.AdamwTorch, 5, 2), TinyRun.Rows(8)).Train(_folder["checkpoint-2"]))
            .Should().Throw<TrainingCheckpointException>().WithMessage("*optimizer.pt*");
        Weights(model).Should().Equal(before, "nothing changes when a checkpoint does not fit");
    }

    [Fact]
    public void The_state_of_other_parameters_is_refused()
    {
        Save(OptimizerType.AdamwTorch);
        using var model = AutoModel.FromConfig(TinyRun.Config with { PreSeqLen = null }, new ModelOptions { Seed = 7 });
        File.Delete(_folder["checkpoint-2/manifest.json"]);
        FluentActions.Invoking(() => new Trainer(model, Arguments(OptimizerType.AdamwTorch, 5, 2), TinyRun.Rows(8)).Train(_folder["checkpoint-2"]))
            .Should().Throw<TrainingCheckpointException>().WithMessage("*optimizer.pt*groups have 1 and 0 parameters*");
    }

    [Theory]
    [InlineData(null, "pytorch_model.bin")]
    [InlineData(true, "model.safetensors")]
    [InlineData(false, "pytorch_model.bin")]
    public void A_prefix_is_saved_in_the_form_asked_for(bool? safe, string file)
    {
        using var model = Model();
        var trainer = new Trainer(model, Arguments(OptimizerType.AdamwTorch, 2, 2) with { SaveSafetensors = safe, OutputDir = _folder["out"] }, TinyRun.Rows(8));
        trainer.Train();
        var checkpoint = Path.Combine(_folder["out"], "checkpoint-2");
        Directory.EnumerateFiles(checkpoint).Select(Path.GetFileName).Where(name => name!.EndsWith(".bin", StringComparison.Ordinal) || name == "model.safetensors").Should().Equal(file);
        using var loaded = Model();
        ((TrainableModel)loaded).Load(checkpoint);
        Weights(loaded).Should().Equal(Weights(model));
    }

    private static Dictionary<object, object?> Dict(object? value) => value.Should().BeOfType<Dictionary<object, object?>>().Subject;

    /// <summary>Moments of eight bits are for parameters of 4096 numbers or more.</summary>
    private static ChatGLMForConditionalGeneration Model(OptimizerType optim = OptimizerType.AdamwTorch) =>
        AutoModel.FromConfig(TinyRun.Config with { PreSeqLen = optim == OptimizerType.Adamw8Bit ? 64 : 4 }, new ModelOptions { Seed = 7 });

    private static float[] Weights(ChatGLMForConditionalGeneration model) => [.. model.NamedParameters().Where(p => p.Parameter.RequiresGrad).SelectMany(p => p.Parameter.ToFloatArray())];

    private TrainingArguments Arguments(OptimizerType optim, int steps, int saveAt) => new()
    {
        OutputDir = _folder.Path, PerDeviceTrainBatchSize = 2, MaxSteps = steps, SaveSteps = saveAt, LearningRate = 1e-2, WeightDecay = 0.01, Optim = optim,
    };

    private float[] Save(OptimizerType optim, int steps = 4, int saveAt = 2)
    {
        using var model = Model(optim);
        new Trainer(model, Arguments(optim, steps, saveAt), TinyRun.Rows(8)).Train();
        return Weights(model);
    }
}
