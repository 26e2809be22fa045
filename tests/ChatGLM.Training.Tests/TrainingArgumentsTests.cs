using System.Text;

namespace ChatGLM.Training.Tests;

public sealed class TrainingArgumentsTests
{
    [Fact]
    public void A_command_line_in_the_scripts_own_style_is_bound()
    {
        var (arguments, rest) = TrainingArguments.Parse(
            ["--do_train", "--train_file", "train.json", "--output_dir", "out", "--overwrite_output_dir", "--per_device_train_batch_size", "1", "--max_steps", "12", "--learning_rate", "2e-2",
                "--lr_scheduler_type=cosine_with_restarts", "--optim", "adamw_hf", "--fp16", "--pre_seq_len", "8", "--no_cuda", "--report_to", "none", "--save_total_limit", "2"]);
        arguments.Should().BeEquivalentTo(new TrainingArguments
        {
            DoTrain = true, OutputDir = "out", OverwriteOutputDir = true, PerDeviceTrainBatchSize = 1, MaxSteps = 12, LearningRate = 2e-2, SaveTotalLimit = 2,
            LrSchedulerType = SchedulerType.CosineWithRestarts, Optim = OptimizerType.AdamwHf, ReportTo = "none",
        });
        arguments.IgnoredArguments.Should().Be("fp16, no_cuda", "they are named in the log");
        rest.Should().Equal("--train_file", "train.json", "--pre_seq_len", "8");
    }

    [Fact]
    public void Names_in_the_style_of_csharp_and_with_dashes_are_bound_too()
    {
        var (arguments, _) = TrainingArguments.Parse(["--OutputDir", "out", "--PerDeviceTrainBatchSize", "3", "--weight-decay", "0.1", "--GradientCheckpointing", "--no_remove_unused_columns", "--Seed=-5"]);
        arguments.Should().BeEquivalentTo(new TrainingArguments { OutputDir = "out", PerDeviceTrainBatchSize = 3, WeightDecay = 0.1, GradientCheckpointing = true, RemoveUnusedColumns = false, Seed = -5 });
    }

    [Fact]
    public void Json_comes_back_as_it_was()
    {
        var arguments = new TrainingArguments
        {
            OutputDir = "出", LearningRate = 3e-4, EvalSteps = 0.25, DataSeed = 7, GreaterIsBetter = true, MetricForBestModel = "bleu-4", LoggingStrategy = IntervalStrategy.Epoch, NonFinitePolicy = NonFinitePolicy.Skip,
        };
        TrainingArguments.FromJson(Encoding.UTF8.GetBytes(arguments.ToJson())).Should().Be(arguments);
    }

    [Theory]
    [InlineData("per_device_train_batch_size", "0")]
    [InlineData("per_device_train_batch_size", "many")]
    [InlineData("learning_rate", "-1")]
    [InlineData("learning_rate", "nan")]
    [InlineData("adam_beta2", "1")]
    [InlineData("lr_scheduler_type", "3")]
    [InlineData("lr_scheduler_type", "sinus")]
    [InlineData("num_train_epochs", "0")]
    [InlineData("logging_steps", "1.5")]
    [InlineData("save_total_limit", "0")]
    [InlineData("warmup_ratio", "2")]
    [InlineData("label_smoothing_factor", "1.1")]
    [InlineData("do_train", "perhaps")]
    public void A_wrong_value_is_refused_by_name(string name, string value) =>
        FluentActions.Invoking(() => TrainingArguments.Parse(["--output_dir", "out", "--" + name, value])).Should().Throw<TrainingArgumentsException>().Which.Argument.Should().Be(name);

    [Fact]
    public void The_best_model_needs_evaluations_and_checkpoints_at_the_same_steps()
    {
        var arguments = new TrainingArguments { OutputDir = "out", LoadBestModelAtEnd = true };
        FluentActions.Invoking(arguments.Validate).Should().Throw<TrainingArgumentsException>().WithMessage("load_best_model_at_end*evaluation_strategy*");
        arguments = arguments with { EvaluationStrategy = IntervalStrategy.Steps, EvalSteps = 200 };
        FluentActions.Invoking(arguments.Validate).Should().Throw<TrainingArgumentsException>().WithMessage("*multiple*");
        (arguments with { EvalSteps = 250 }).Invoking(a => a.Validate()).Should().NotThrow();
    }

    [Theory]
    [InlineData("""{"output_dir": "out", "learning_rat": 1}""", "learning_rat")]
    [InlineData("""{"output_dir": "out", "learning_rate": {}}""", "learning_rate")]
    [InlineData("""{"learning_rate": 1}""", "output_dir")]
    [InlineData("""[1]""", "JSON")]
    [InlineData("""{"output_dir": """, "JSON")]
    public void Json_that_is_wrong_is_refused_by_name(string json, string name) =>
        FluentActions.Invoking(() => TrainingArguments.FromJson(Encoding.UTF8.GetBytes(json))).Should().Throw<TrainingArgumentsException>().Which.Argument.Should().Be(name);

    [Fact]
    public void What_transformers_writes_but_this_engine_has_no_use_for_is_taken() =>
        TrainingArguments.FromJson("""{"output_dir": "out", "fp16": true, "local_rank": -1, "deepspeed": null, "fsdp": [], "past_index": -1, "report_to": ["tensorboard"]}"""u8)
            .Should().BeEquivalentTo(new TrainingArguments { OutputDir = "out", ReportTo = "tensorboard" });

    [Theory]
    [InlineData("deepspeed", "ds.json")]
    [InlineData("push_to_hub", "true")]
    [InlineData("auto_find_batch_size", "1")]
    [InlineData("sortish_sampler", "true")]
    [InlineData("generation_config", "folder")]
    [InlineData("report_to", "wandb")]
    [InlineData("optim", "lion_8bit")]
    public void What_cannot_be_done_is_refused_and_not_passed_over(string name, string value)
    {
        FluentActions.Invoking(() => TrainingArguments.Parse(["--output_dir", "out", "--" + name, value])).Should().Throw<TrainingArgumentsException>().Which.Argument.Should().Be(name);
        FluentActions.Invoking(() => TrainingArguments.FromJson(Encoding.UTF8.GetBytes($$"""{"output_dir": "out", "{{name}}": "{{value}}"}""")))
            .Should().Throw<TrainingArgumentsException>().Which.Argument.Should().Be(name);
    }

    [Theory]
    [InlineData("adamw_bnb_8bit", OptimizerType.AdamwBnb8Bit)]
    [InlineData("adamw_8bit", OptimizerType.Adamw8Bit)]
    [InlineData("paged_adamw_8bit", OptimizerType.PagedAdamw8Bit)]
    [InlineData("paged_adamw_32bit", OptimizerType.PagedAdamw32Bit)]
    [InlineData("adamw_torch_fused", OptimizerType.AdamwTorchFused)]
    public void Optimizers_have_the_names_of_transformers(string name, OptimizerType expected)
    {
        var (arguments, _) = TrainingArguments.Parse(["--output_dir", "out", "--optim", name]);
        arguments.Optim.Should().Be(expected);
        arguments.ToJson().Should().Contain($"\"{name}\"");
    }

    [Fact]
    public void The_old_flag_of_adafactor_still_chooses_it() =>
        TrainingArguments.Parse(["--output_dir", "out", "--adafactor"]).Arguments.Optim.Should().Be(OptimizerType.Adafactor);
}
