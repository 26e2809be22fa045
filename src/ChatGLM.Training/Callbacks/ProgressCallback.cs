using Spectre.Console;

namespace ChatGLM.Training;

/// <summary>
/// Shows a bar with steps, loss, learning rate, tokens per second and the time that is left, one below it for evaluations, and log entries above (transformers' <c>ProgressCallback</c>).
/// Where output is redirected, and nobody would see a bar move, it writes a line for each log entry instead.
/// </summary>
/// <param name="console">Where to; <see cref="AnsiConsole.Console"/> if null.</param>
public sealed class ProgressCallback(IAnsiConsole? console = null) : TrainerCallback
{
    private readonly IAnsiConsole _console = console ?? AnsiConsole.Console;
    private ProgressDisplay? _display;

    /// <inheritdoc/>
    public override void OnTrainBegin(TrainerContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        Write($"{context.Trainer.MemoryPlan}");
        Open();
        _display?.Train(context.State.GlobalStep, context.State.MaxSteps, progress: null);
    }

    /// <inheritdoc/>
    public override void OnStepEnd(TrainerContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        _display?.Train(context.State.GlobalStep, context.State.MaxSteps, context.Progress);
    }

    /// <inheritdoc/>
    public override void OnPredictionStep(TrainerContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        Open();
        _display?.Predict(context.Prediction);
    }

    /// <inheritdoc/>
    public override void OnEvaluate(TrainerContext context) => EndPrediction();

    /// <inheritdoc/>
    public override void OnPredict(TrainerContext context) => EndPrediction();

    /// <inheritdoc/>
    public override void OnLog(TrainerContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        Write(ProgressText.Of(context));
    }

    /// <inheritdoc/>
    public override void OnTrainEnd(TrainerContext context) => Close();

    /// <inheritdoc/>
    public override void OnInterrupted(TrainerContext context, Exception error) => Close();

    private void Open()
    {
        if (_display is null && _console.Profile.Out.IsTerminal && _console.Profile.Capabilities is { Interactive: true, Ansi: true })
            _display = ProgressDisplay.TryOpen(_console);
    }

    /// <summary>A console breaks long lines at words; a file keeps them whole.</summary>
    private void Write(string line)
    {
        if (_console.Profile.Out.IsTerminal)
            _console.WriteLine(line);
        else
            _console.Profile.Out.Writer.WriteLine(line);
    }

    private void EndPrediction()
    {
        // An evaluation outside of training has a display of its own.
        if (_display is { IsTraining: false })
            Close();
        else
            _display?.Predict(prediction: null);
    }

    private void Close()
    {
        _display?.Dispose();
        _display = null;
    }
}
