using Spectre.Console;
using Spectre.Console.Rendering;

namespace ChatGLM.Training;

/// <summary>The bars on a console, from when they are opened until they are disposed. Spectre.Console shows bars while a function of ours runs; that function only waits here.</summary>
internal sealed class ProgressDisplay : IDisposable
{
    private readonly TaskCompletionSource _end = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task _shown;
    private readonly ProgressContext _context;
    private readonly NumbersColumn _numbers;
    private ProgressTask? _train;
    private ProgressTask? _predict;

    private ProgressDisplay(Task shown, TaskCompletionSource end, ProgressContext context, NumbersColumn numbers) => (_shown, _end, _context, _numbers) = (shown, end, context, numbers);

    /// <summary>Whether it was opened for training.</summary>
    public bool IsTraining => _train is not null;

    /// <summary>Shows bars; null where the console shows something else that moves already, and can show only one such thing.</summary>
    public static ProgressDisplay? TryOpen(IAnsiConsole console)
    {
        var end = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var opened = new TaskCompletionSource<ProgressContext>(TaskCreationOptions.RunContinuationsAsynchronously);
        var numbers = new NumbersColumn();
        var bars = console.Progress().AutoClear(false).HideCompleted(false).Columns(new TaskDescriptionColumn(), new ProgressBarColumn { Width = 24 }, new PercentageColumn(), numbers);
        var shown = Task.Run(() => bars.StartAsync(context =>
        {
            opened.SetResult(context);
            return end.Task;
        }));
        try
        {
            Task.WaitAny(opened.Task, shown);
            if (!opened.Task.IsCompleted)
                shown.GetAwaiter().GetResult();
        }
        catch (InvalidOperationException)
        {
            return null;
        }

        return new ProgressDisplay(shown, end, opened.Task.Result, numbers);
    }

    public void Train(int step, int steps, TrainingProgress? progress)
    {
        _numbers.Text = progress is { } numbers ? FormattableString.Invariant($"{step}/{steps}  {ProgressText.Of(numbers)}") : FormattableString.Invariant($"{step}/{steps}");
        _train ??= _context.AddTask("training", maxValue: Math.Max(1, steps));
        _numbers.Of = _train.Id;
        _train.Value = step;
    }

    /// <param name="prediction">How far an evaluation is; null when it has ended.</param>
    public void Predict(PredictionProgress? prediction)
    {
        if (prediction is not { } at)
        {
            if (_predict is { } ended)
                ended.Value = ended.MaxValue;
            return;
        }

        // One bar serves all evaluations of a run, or a long run would fill the screen with them.
        _predict ??= _context.AddTask("evaluating", maxValue: at.Batches);
        _predict.MaxValue = at.Batches;
        _predict.Value = at.Batch;
    }

    public void Dispose()
    {
        _train?.StopTask();
        _predict?.StopTask();
        _end.TrySetResult();
        _shown.GetAwaiter().GetResult();
    }

    /// <summary>The numbers behind the bar of training.</summary>
    private sealed class NumbersColumn : ProgressColumn
    {
        private volatile string _text = "";
        private volatile int _of = -1;

        public string Text
        {
            set => _text = value;
        }

        public int Of
        {
            set => _of = value;
        }

        protected override bool NoWrap => true;

        public override IRenderable Render(RenderOptions options, ProgressTask task, TimeSpan deltaTime) => new Text(task.Id == _of ? _text : FormattableString.Invariant($"{task.Value:0}/{task.MaxValue:0}"));
    }
}
