namespace ChatGLM.Training;

/// <summary>
/// How a model is trained: transformers' <c>TrainingArguments</c> and <c>Seq2SeqTrainingArguments</c> with their names, defaults and meaning. Immutable; change a copy with
/// <c>arguments with { LearningRate = 1e-4 }</c>. What is read from a command line or JSON is validated, and so is what a Trainer is given.
/// </summary>
public partial record TrainingArguments
{
    /// <summary>The folder of checkpoints and results.</summary>
    public required string OutputDir { get; init; }

    /// <summary>Whether a run starts anew in a folder that has checkpoints already.</summary>
    public bool OverwriteOutputDir { get; init; }

    /// <summary>Whether a script trains. The trainer itself does not look at it.</summary>
    public bool DoTrain { get; init; }

    /// <summary>Whether a script evaluates.</summary>
    public bool DoEval { get; init; }

    /// <summary>Whether a script predicts.</summary>
    public bool DoPredict { get; init; }

    /// <summary>When to evaluate during training.</summary>
    public IntervalStrategy EvaluationStrategy { get; init; } = IntervalStrategy.No;

    /// <summary>Whether evaluation computes the loss only.</summary>
    public bool PredictionLossOnly { get; init; }

    /// <summary>The rows of a batch in training.</summary>
    public int PerDeviceTrainBatchSize { get; init; } = 8;

    /// <summary>The rows of a batch in evaluation.</summary>
    public int PerDeviceEvalBatchSize { get; init; } = 8;

    /// <summary>The batches whose gradients are averaged for one optimizer step.</summary>
    public int GradientAccumulationSteps { get; init; } = 1;

    /// <summary>Epochs or steps, as <see cref="EvaluationStrategy"/> counts, before which there is no evaluation.</summary>
    public double EvalDelay { get; init; }

    /// <summary>The learning rate at its greatest.</summary>
    public double LearningRate { get; init; } = 5e-5;

    /// <summary>Weight decay of all parameters but biases and layer norms.</summary>
    public double WeightDecay { get; init; }

    /// <summary>Adam's decay of the mean of gradients.</summary>
    public double AdamBeta1 { get; init; } = 0.9;

    /// <summary>Adam's decay of the mean of squared gradients.</summary>
    public double AdamBeta2 { get; init; } = 0.999;

    /// <summary>Adam's epsilon.</summary>
    public double AdamEpsilon { get; init; } = 1e-8;

    /// <summary>The greatest 2-norm of all gradients; 0 for no clipping.</summary>
    public double MaxGradNorm { get; init; } = 1;

    /// <summary>How often the data is gone through; a part of an epoch is possible.</summary>
    public double NumTrainEpochs { get; init; } = 3;

    /// <summary>Optimizer steps of the run; goes before <see cref="NumTrainEpochs"/> when positive.</summary>
    public int MaxSteps { get; init; } = -1;

    /// <summary>How the learning rate moves.</summary>
    public SchedulerType LrSchedulerType { get; init; } = SchedulerType.Linear;

    /// <summary>The part of the run that is warm-up, where <see cref="WarmupSteps"/> is 0.</summary>
    public double WarmupRatio { get; init; }

    /// <summary>The steps of warm-up.</summary>
    public int WarmupSteps { get; init; }

    /// <summary>Where TensorBoard's event files go; a folder with the time of the run in <c>runs</c> in the output folder if null.</summary>
    public string? LoggingDir { get; init; }

    /// <summary>When to log.</summary>
    public IntervalStrategy LoggingStrategy { get; init; } = IntervalStrategy.Steps;

    /// <summary>Whether the first step is logged too.</summary>
    public bool LoggingFirstStep { get; init; }

    /// <summary>Steps between logs; below 1 a part of the run.</summary>
    public double LoggingSteps { get; init; } = 500;

    /// <summary>When to save.</summary>
    public IntervalStrategy SaveStrategy { get; init; } = IntervalStrategy.Steps;

    /// <summary>Steps between checkpoints; below 1 a part of the run.</summary>
    public double SaveSteps { get; init; } = 500;

    /// <summary>The checkpoints to keep, the best and the newest always among them; null for all.</summary>
    public int? SaveTotalLimit { get; init; }

    /// <summary>Whether weights are saved as safetensors (true) or as PyTorch's .bin files (false). Null, the default, is safetensors, but for a P-Tuning prefix <c>pytorch_model.bin</c>,
    /// the name under which THUDM's scripts look for it. (transformers 4.33 wrote .bin files by default, later versions safetensors.)</summary>
    public bool? SaveSafetensors { get; init; }

    /// <summary>The seed of everything random.</summary>
    public long Seed { get; init; } = 42;

    /// <summary>The seed of the order of samples. As in transformers on one process it changes nothing but the order under <see cref="GroupByLength"/>.</summary>
    public long? DataSeed { get; init; }

    /// <summary>Whether log entries are written as lines instead of a progress bar.</summary>
    public bool DisableTqdm { get; init; }

    /// <summary>Steps between evaluations; <see cref="LoggingSteps"/> if null; below 1 a part of the run.</summary>
    public double? EvalSteps { get; init; }

    /// <summary>Whether the last batch of an epoch is left out if it is not full.</summary>
    public bool DataloaderDropLast { get; init; }

    /// <summary>A name for the run.</summary>
    public string? RunName { get; init; }

    /// <summary>Whether the best checkpoint is loaded when training ends.</summary>
    public bool LoadBestModelAtEnd { get; init; }

    /// <summary>The metric that says which checkpoint is best; the loss if null.</summary>
    public string? MetricForBestModel { get; init; }

    /// <summary>Whether a greater metric is better; null for yes unless it is the loss.</summary>
    public bool? GreaterIsBetter { get; init; }

    /// <summary>Whether a resumed run starts its epoch's data from the front instead of going on where it was.</summary>
    public bool IgnoreDataSkip { get; init; }

    /// <summary>The part of a target that is spread over the vocabulary.</summary>
    public double LabelSmoothingFactor { get; init; }

    /// <summary>The optimizer.</summary>
    public OptimizerType Optim { get; init; } = OptimizerType.AdamwTorch;

    /// <summary>Whether rows of similar length are put into a batch.</summary>
    public bool GroupByLength { get; init; }

    /// <summary>Whether each layer is recomputed in the backward pass: less memory, more time.</summary>
    public bool GradientCheckpointing { get; init; }

    /// <summary>Whether columns that the model does not take are left out. Rows hold nothing else here, so that it changes nothing.</summary>
    public bool RemoveUnusedColumns { get; init; } = true;

    /// <summary>A checkpoint folder to go on from, or <c>true</c> for the newest one in <see cref="OutputDir"/>.</summary>
    public string? ResumeFromCheckpoint { get; init; }

    /// <summary>Where else logs go: <c>tensorboard</c> for event files in <see cref="LoggingDir"/>, <c>all</c> for everything that there is, which is the same here, <c>none</c> for nowhere.
    /// For anything else add a <see cref="TrainerCallback"/>.</summary>
    public string ReportTo { get; init; } = "all";

    /// <summary>Whether the metrics are given the ids of each row beside predictions and labels.</summary>
    public bool IncludeInputsForMetrics { get; init; }

    /// <summary>Whether evaluation and prediction generate.</summary>
    public bool PredictWithGenerate { get; init; }

    /// <summary>The greatest length of generated rows; the model's own if null.</summary>
    public int? GenerationMaxLength { get; init; }

    /// <summary>The beams of generation; the model's own if null.</summary>
    public int? GenerationNumBeams { get; init; }

    /// <summary>What happens when a loss or gradient is not finite. transformers has no such argument: it goes on, and its <c>logging_nan_inf_filter</c> puts the mean of the losses before
    /// in place of such a loss in the log. That is never done here: a step is left out as a whole and counted in the log, or the run stops.</summary>
    public NonFinitePolicy NonFinitePolicy { get; init; } = NonFinitePolicy.Stop;

    /// <summary>Bytes that the run may take; a run that cannot fit is refused before its first step. Null for what the machine has.</summary>
    public long? MemoryLimitBytes { get; init; }

    /// <summary>The arguments that were given and mean nothing to this engine.</summary>
    internal string IgnoredArguments { get; init; } = "";

    internal bool ReportsToTensorBoard => Reports.Any(name => name is "all" or "tensorboard");

    private string[] Reports => ReportTo.ToLowerInvariant().Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);

    /// <summary>The metric that says which checkpoint is best, as evaluation names it.</summary>
    internal string BestMetricKey => MetricForBestModel is { } metric ? metric.StartsWith("eval_", StringComparison.Ordinal) ? metric : "eval_" + metric : "eval_loss";

    internal bool IsGreaterBetter => GreaterIsBetter ?? BestMetricKey != "eval_loss";

    /// <summary>The steps of warm-up of a run.</summary>
    /// <param name="totalSteps">All steps of the run.</param>
    public int GetWarmupSteps(int totalSteps) => WarmupSteps > 0 ? WarmupSteps : (int)Math.Ceiling(totalSteps * WarmupRatio);

    /// <summary>Steps between logs, checkpoints or evaluations, where a number below 1 is a part of the run.</summary>
    internal static int Interval(double steps, int totalSteps) => steps < 1 ? Math.Max(1, (int)Math.Ceiling(totalSteps * steps)) : (int)steps;
}
