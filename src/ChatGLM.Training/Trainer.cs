using System.Globalization;
using ChatGLM.Tensors;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace ChatGLM.Training;

/// <summary>
/// Trains, evaluates and predicts as transformers' <c>Trainer</c> and <c>Seq2SeqTrainer</c> do: same order of samples for a seed, same accumulation, same schedules, same files. Unlike there,
/// a checkpoint is whole or not there, a resumed run gives the same bits as one that was never stopped, and a loss that is not finite is never passed over in silence.
/// </summary>
public partial class Trainer
{
    private readonly TrainableModel _model;
    private readonly IReadOnlyList<TokenizedExample>? _trainDataset;
    private readonly IReadOnlyList<TokenizedExample>? _evalDataset;
    private readonly TrainerOptions _options;
    private readonly IDataCollator _collator;
    private readonly List<TrainerCallback> _callbacks;
    private readonly TrainerControl _control = new();
    private readonly ILogger _logger;

    /// <summary>Prepares a run. Sets the seed of the model's random numbers.</summary>
    /// <param name="model">What to train; a <see cref="Models.PreTrainedModel"/> and a <see cref="Peft.PeftModel"/> convert by themselves.</param>
    /// <param name="arguments">How to train it.</param>
    /// <param name="trainDataset">The rows to train on. Rows are asked for by index when their batch comes, so a list may read them from a file.</param>
    /// <param name="evalDataset">The rows to evaluate on.</param>
    /// <param name="options">Collator, callbacks, metrics and the like.</param>
    /// <exception cref="TrainingArgumentsException">An argument has a value that it cannot have.</exception>
    public Trainer(
        TrainableModel model,
        TrainingArguments arguments,
        IReadOnlyList<TokenizedExample>? trainDataset = null,
        IReadOnlyList<TokenizedExample>? evalDataset = null,
        TrainerOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(arguments);
        arguments.Validate();
        (_model, Arguments, _trainDataset, _evalDataset) = (model, arguments, trainDataset, evalDataset);
        _options = options ?? new TrainerOptions();
        _collator = _options.DataCollator ?? new DefaultDataCollator();
        _logger = _options.Logger ?? NullLogger.Instance;
        _callbacks = [new DefaultFlowCallback(), .. _options.Callbacks];
        if (arguments.ReportsToTensorBoard && !_callbacks.OfType<TensorBoardCallback>().Any())
            _callbacks.Add(new TensorBoardCallback());
        if (!_callbacks.OfType<LossCurveCallback>().Any())
            _callbacks.Add(new LossCurveCallback());
        if (!_callbacks.Any(callback => callback is ProgressCallback or PrinterCallback))
            _callbacks.Add(arguments.DisableTqdm ? new PrinterCallback() : new ProgressCallback());
        if (arguments.IgnoredArguments.Length > 0)
            LogIgnored(_logger, arguments.IgnoredArguments);
        if (arguments.EvaluationStrategy != IntervalStrategy.No && evalDataset is null)
            throw new TrainingArgumentsException("evaluation_strategy", "it asks for evaluations, but no evaluation data was given.");
        _model.Generator.ManualSeed(unchecked((ulong)arguments.Seed));
        Notify((callback, context) => callback.OnInitEnd(context));
    }

    /// <summary>The arguments of the run.</summary>
    public TrainingArguments Arguments { get; }

    /// <summary>What is trained.</summary>
    public TrainableModel Model => _model;

    /// <summary>How far the run is.</summary>
    public TrainerState State { get; private set; } = new();

    /// <summary>The last optimizer step of the present or last run; null before the first.</summary>
    public TrainingProgress? Progress { get; private set; }

    /// <summary>The memory plan of the last run; null before one began.</summary>
    public MemoryPlan? MemoryPlan { get; private set; }

    /// <summary>Adds a callback behind the others.</summary>
    public void AddCallback(TrainerCallback callback)
    {
        ArgumentNullException.ThrowIfNull(callback);
        _callbacks.Add(callback);
    }

    /// <summary>Takes the first callback of a kind away, such as the <see cref="ProgressCallback"/> that a trainer begins with (transformers' <c>pop_callback</c>).</summary>
    /// <returns>The callback; null if there was none.</returns>
    public TCallback? RemoveCallback<TCallback>()
        where TCallback : TrainerCallback
    {
        var callback = _callbacks.OfType<TCallback>().FirstOrDefault();
        if (callback is not null)
            _callbacks.Remove(callback);
        return callback;
    }

    /// <summary>Writes the trained model as a checkpoint has it, without the state of training.</summary>
    /// <param name="folder">The folder; the output folder if null.</param>
    public void SaveModel(string? folder = null)
    {
        folder ??= Arguments.OutputDir;
        Directory.CreateDirectory(folder);
        _model.Save(folder, Arguments.SaveSafetensors);
    }

    /// <summary>Writes <c>trainer_state.json</c> into the output folder.</summary>
    public void SaveState()
    {
        Directory.CreateDirectory(Arguments.OutputDir);
        ResultFiles.WriteBeside(Path.Combine(Arguments.OutputDir, TrainerState.FileName), stream => State.Write(stream, Arguments));
    }

    /// <summary>Writes <c>{split}_results.json</c> into the output folder and adds to <c>all_results.json</c>.</summary>
    /// <param name="split">train, eval or predict.</param>
    /// <param name="metrics">What a run gave.</param>
    public void SaveMetrics(string split, IReadOnlyDictionary<string, double> metrics)
    {
        ArgumentException.ThrowIfNullOrEmpty(split);
        ArgumentNullException.ThrowIfNull(metrics);
        ResultFiles.SaveMetrics(Arguments.OutputDir, split, metrics);
    }

    private void Notify(Action<TrainerCallback, TrainerContext> notify, IReadOnlyDictionary<string, double>? metrics = null) =>
        Notify(notify, metrics is null ? new TrainerContext(this, _control) : new TrainerContext(this, _control) { Metrics = metrics });

    private void Notify(Action<TrainerCallback, TrainerContext> notify, TrainerContext context)
    {
        foreach (var callback in _callbacks)
            notify(callback, context);
    }

    /// <summary>Adds an entry to the history, with the epoch and step that transformers puts in.</summary>
    private void Log(Dictionary<string, double> entry)
    {
        entry["epoch"] = Math.Round(State.Epoch, 2);
        if (State.SkippedSteps > 0)
            entry["skipped_steps"] = State.SkippedSteps;
        var logged = new Dictionary<string, double>(entry) { ["step"] = State.GlobalStep };
        State.Log(logged);
        if (_logger.IsEnabled(LogLevel.Information))
            LogEntry(_logger, string.Join(", ", logged.Select(pair => string.Create(CultureInfo.InvariantCulture, $"{pair.Key} = {pair.Value:G6}"))));
        Notify((callback, context) => callback.OnLog(context), logged);
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "{Entry}")]
    private static partial void LogEntry(ILogger logger, string entry);

    [LoggerMessage(Level = LogLevel.Information, Message = "Memory plan: {Plan}")]
    private static partial void LogPlan(ILogger logger, MemoryPlan plan);

    [LoggerMessage(Level = LogLevel.Warning, Message = "These arguments have no effect here: {Names}")]
    private static partial void LogIgnored(ILogger logger, string names);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Of the {Available} bytes that are free now the run will need {Required}: others have to give memory back, or the system will swap.")]
    private static partial void LogTight(ILogger logger, long available, long required);

    [LoggerMessage(Level = LogLevel.Information, Message = "Saved {Path}")]
    private static partial void LogSaved(ILogger logger, string path);

    [LoggerMessage(Level = LogLevel.Information, Message = "Removed {Path}")]
    private static partial void LogRemoved(ILogger logger, string path);

    [LoggerMessage(Level = LogLevel.Information, Message = "Going on from {Path}, step {Step}")]
    private static partial void LogResumed(ILogger logger, string path, int step);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Step {Step} is left out: {Tensor} is {Value}")]
    private static partial void LogSkipped(ILogger logger, int step, string tensor, double value);
}
