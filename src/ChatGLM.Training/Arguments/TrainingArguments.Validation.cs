namespace ChatGLM.Training;

public partial record TrainingArguments
{
    /// <summary>Checks every argument and how they go together.</summary>
    /// <exception cref="TrainingArgumentsException">One has a value that it cannot have; the message names it.</exception>
    public void Validate()
    {
        Require(!string.IsNullOrWhiteSpace(OutputDir), "output_dir", "a folder is needed");
        Positive(PerDeviceTrainBatchSize, "per_device_train_batch_size");
        Positive(PerDeviceEvalBatchSize, "per_device_eval_batch_size");
        Positive(GradientAccumulationSteps, "gradient_accumulation_steps");
        NotNegative(EvalDelay, "eval_delay");
        NotNegative(LearningRate, "learning_rate");
        NotNegative(WeightDecay, "weight_decay");
        Require(AdamBeta1 is >= 0 and < 1, "adam_beta1", $"expected 0 to less than 1, found {AdamBeta1}");
        Require(AdamBeta2 is >= 0 and < 1, "adam_beta2", $"expected 0 to less than 1, found {AdamBeta2}");
        NotNegative(AdamEpsilon, "adam_epsilon");
        NotNegative(MaxGradNorm, "max_grad_norm");
        Require(MaxSteps > 0 || (double.IsFinite(NumTrainEpochs) && NumTrainEpochs > 0), "num_train_epochs", $"expected more than 0, or max_steps, found {NumTrainEpochs}");
        Require(WarmupRatio is >= 0 and <= 1, "warmup_ratio", $"expected 0 to 1, found {WarmupRatio}");
        Require(WarmupSteps >= 0, "warmup_steps", $"expected 0 or more, found {WarmupSteps}");
        Steps(LoggingStrategy, LoggingSteps, "logging_steps");
        Steps(SaveStrategy, SaveSteps, "save_steps");
        Steps(EvaluationStrategy, EvalSteps ?? LoggingSteps, "eval_steps");
        Require(SaveTotalLimit is null or > 0, "save_total_limit", $"expected 1 or more, or none for no limit, found {SaveTotalLimit}");
        Require(LabelSmoothingFactor is >= 0 and <= 1, "label_smoothing_factor", $"expected 0 to 1, found {LabelSmoothingFactor}");
        Require(GenerationMaxLength is null or > 0, "generation_max_length", $"expected 1 or more, found {GenerationMaxLength}");
        Require(GenerationNumBeams is null or > 0, "generation_num_beams", $"expected 1 or more, found {GenerationNumBeams}");
        Require(MemoryLimitBytes is null or > 0, "memory_limit_bytes", $"expected 1 or more, found {MemoryLimitBytes}");
        Require(
            LrSchedulerType != SchedulerType.ReduceLrOnPlateau || EvaluationStrategy != IntervalStrategy.No,
            "lr_scheduler_type",
            "reduce_lr_on_plateau needs an evaluation_strategy: it goes by what evaluations give");
        Require(
            Reports.All(name => name is "all" or "none" or "tensorboard"),
            "report_to",
            $"expected all, none or tensorboard, found '{ReportTo}'; for another service add a TrainerCallback");
        if (LoadBestModelAtEnd)
            RequireBestCanBeKept();
    }

    private void RequireBestCanBeKept()
    {
        const string Name = "load_best_model_at_end";
        Require(EvaluationStrategy != IntervalStrategy.No, Name, "it needs an evaluation_strategy, or no checkpoint is ever judged");
        Require(
            EvaluationStrategy == SaveStrategy,
            Name,
            $"save_strategy and evaluation_strategy have to be the same, found {SnakeCase.Of(SaveStrategy)} and {SnakeCase.Of(EvaluationStrategy)}");
        var every = EvalSteps ?? LoggingSteps;
        Require(
            SaveStrategy != IntervalStrategy.Steps || Math.Abs(Math.IEEERemainder(SaveSteps, every)) < 1e-9,
            Name,
            $"save_steps has to be a multiple of eval_steps, found {SaveSteps} and {every}");
    }

    private static void Require(bool condition, string argument, string problem)
    {
        if (!condition)
            throw new TrainingArgumentsException(argument, problem + ".");
    }

    private static void Positive(int value, string argument) => Require(value > 0, argument, $"expected 1 or more, found {value}");

    private static void NotNegative(double value, string argument) => Require(double.IsFinite(value) && value >= 0, argument, $"expected 0 or more, found {value}");

    private static void Steps(IntervalStrategy strategy, double steps, string argument) => Require(
        strategy != IntervalStrategy.Steps || (double.IsFinite(steps) && steps > 0 && (steps < 1 || steps == Math.Floor(steps)) && steps <= int.MaxValue),
        argument,
        $"expected a whole number of steps, or a part of the run between 0 and 1, found {steps}");
}
