using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace ChatGLM.Tool.Terminal;

/// <summary>
/// Shows how far a run is, on the error output: bars with rate and time left on a terminal, a line now and then where the output is redirected, JSON lines on request, nothing if the user wants quiet.
/// Dispose it before anything else is written. Safe to report to from several threads.
/// </summary>
internal sealed class ToolProgress : IDisposable
{
    private static readonly TimeSpan LineInterval = TimeSpan.FromSeconds(5);

    /// <summary>What is over sooner is not worth a line in a log.</summary>
    private static readonly TimeSpan LineDelay = TimeSpan.FromSeconds(2);
    /// <summary>A bar that is gone before it is seen only moves the screen.</summary>
    private static readonly TimeSpan BarDelay = TimeSpan.FromSeconds(0.4);
    private static readonly TimeSpan JsonInterval = TimeSpan.FromSeconds(0.5);

    private readonly ToolConsole _console;
    private readonly ProgressStyle _style;
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Phase> _phases = [];
    private Bars? _bars;
    private bool _isDisposed;

    public ToolProgress(ToolConsole console, ProgressStyle style)
    {
        _console = console;
        _style = style == ProgressStyle.Auto ? (console.IsErrorRedirected ? ProgressStyle.Lines : ProgressStyle.Bars) : style;
    }

    /// <summary>Shows it.</summary>
    public void Report(in ProgressReport report)
    {
        if (_style == ProgressStyle.None)
            return;
        lock (_gate)
        {
            if (_isDisposed)
                return; // a last word of a worker that had not heard of the end
            if (!_phases.TryGetValue(report.Phase, out var phase))
                _phases.Add(report.Phase, phase = new Phase());
            var rate = report.PerSecond ?? phase.Rate(report.Done);
            var remaining = report.Remaining ?? (rate > 0 && report.Total > 0 ? TimeSpan.FromSeconds(Math.Min((report.Total - report.Done) / rate.Value, 1e7)) : null);
            var complete = report with { PerSecond = rate, Remaining = remaining };
            switch (_style)
            {
                case ProgressStyle.Bars:
                    if (_bars is null && report.Total > 0 && phase.Age < BarDelay)
                        break;
                    (_bars ??= new Bars(_console.Messages)).Show(complete);
                    break;
                case ProgressStyle.Json:
                    if (phase.IsDue(TimeSpan.Zero, JsonInterval, report))
                        JsonLine.Write(_console.Error, Json(complete));
                    break;
                default:
                    if (phase.IsDue(LineDelay, LineInterval, report))
                        _console.Error.WriteLine(Line(complete));
                    break;
            }
        }
    }

    /// <summary>A sink for the libraries' own kinds of progress, called at once and on the thread that reports.</summary>
    /// <param name="convert">Turns theirs into ours.</param>
    public IProgress<T> As<T>(Func<T, ProgressReport> convert) => new Sink<T>(this, convert);

    public void Dispose()
    {
        lock (_gate)
        {
            _isDisposed = true;
            _bars?.Dispose();
        }
    }

    /// <summary><c>downloading  1.2 GB of 12.4 GB (10 %)  52.1 MB/s  3:35 left  model-00001-of-00007.safetensors</c>.</summary>
    internal static string Line(in ProgressReport report) => string.Join("  ", new[] { report.Phase, Numbers(report) }.Where(part => part.Length > 0));

    private static string Numbers(in ProgressReport report)
    {
        var parts = new List<string>();
        if (report.Unit.Length == 0)
            return report.Detail ?? "";
        if (report.Total > 0)
        {
            parts.Add(report.Unit == "bytes"
                ? $"{Quantity.Bytes(report.Done)} of {Quantity.Bytes(report.Total)}"
                : string.Create(CultureInfo.InvariantCulture, $"{report.Done:N0} of {report.Total:N0} {report.Unit}"));
        }
        else if (report.Done > 0)
        {
            parts.Add(Quantity.Of(report.Done, report.Unit));
        }

        if (report.PerSecond is { } rate && (report.Unit == "bytes" || rate >= 1))
            parts.Add(report.Unit == "bytes" || rate >= 10 ? $"{Quantity.Of(rate, report.Unit)}/s" : string.Create(CultureInfo.InvariantCulture, $"{rate:0.0} {report.Unit}/s"));
        if (report.Remaining is { } remaining && report.Done < report.Total)
            parts.Add($"{Quantity.Time(remaining)} left");
        if (report.Detail is { Length: > 0 } detail)
            parts.Add(detail);
        return string.Join("  ", parts);
    }

    private static JsonObject Json(in ProgressReport report) => new()
    {
        ["event"] = "progress",
        ["phase"] = report.Phase,
        ["done"] = report.Done,
        ["total"] = report.Total > 0 ? report.Total : null,
        ["unit"] = report.Unit,
        ["per_second"] = report.PerSecond is { } rate ? Math.Round(rate, 3) : null,
        ["seconds_left"] = report.Remaining is { } left ? Math.Round(left.TotalSeconds, 1) : null,
        ["detail"] = report.Detail,
    };

    private sealed class Sink<T>(ToolProgress progress, Func<T, ProgressReport> convert) : IProgress<T>
    {
        public void Report(T value) => progress.Report(convert(value));
    }

    private sealed class Phase
    {
        private readonly long _start = Stopwatch.GetTimestamp();
        private long? _first;
        private long _shown;
        private bool _isComplete;

        /// <summary>The time since its first word.</summary>
        public TimeSpan Age => Stopwatch.GetElapsedTime(_start);

        public double? Rate(long done)
        {
            _first ??= done;
            var seconds = Age.TotalSeconds;
            return seconds > 0.2 && done > _first ? (done - _first) / seconds : null;
        }

        /// <summary>The first word after a while, one in every interval, and the last.</summary>
        public bool IsDue(TimeSpan delay, TimeSpan interval, in ProgressReport report)
        {
            var isComplete = report.Total > 0 && report.Done >= report.Total;
            if (_shown == 0 && Age < delay)
                return false;
            var isDue = _shown == 0 || (isComplete && !_isComplete) || (!isComplete && Stopwatch.GetElapsedTime(_shown) >= interval);
            _isComplete = isComplete;
            if (isDue)
                _shown = Stopwatch.GetTimestamp();
            return isDue;
        }
    }

    /// <summary>Bars that move. Spectre.Console shows them while a function of ours runs; that function only waits here.</summary>
    private sealed class Bars : IDisposable
    {
        private readonly TaskCompletionSource _end = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly Task _shown;
        private readonly ProgressContext _context;
        private readonly NumbersColumn _numbers = new();
        private readonly Dictionary<string, ProgressTask> _tasks = [];

        public Bars(IAnsiConsole console)
        {
            var opened = new TaskCompletionSource<ProgressContext>(TaskCreationOptions.RunContinuationsAsynchronously);
            var bars = console.Progress().AutoClear(false).HideCompleted(false).Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn { Width = 24 }, new PercentageColumn(), _numbers);
            _shown = Task.Run(() => bars.StartAsync(context =>
            {
                opened.SetResult(context);
                return _end.Task;
            }));
            _context = opened.Task.GetAwaiter().GetResult();
        }

        public void Show(in ProgressReport report)
        {
            if (!_tasks.TryGetValue(report.Phase, out var task))
                _tasks.Add(report.Phase, task = _context.AddTask(report.Phase.EscapeMarkup(), maxValue: Math.Max(1, report.Total)));
            task.IsIndeterminate = report.Total <= 0;
            task.MaxValue = Math.Max(1, report.Total);
            task.Value = report.Done;
            _numbers.Set(task.Id, Numbers(report));
        }

        public void Dispose()
        {
            foreach (var task in _tasks.Values)
                task.StopTask();
            _end.TrySetResult();
            _shown.GetAwaiter().GetResult();
        }
    }

    /// <summary>The numbers behind a bar.</summary>
    private sealed class NumbersColumn : ProgressColumn
    {
        private readonly System.Collections.Concurrent.ConcurrentDictionary<int, string> _texts = new();

        public void Set(int task, string text) => _texts[task] = text;

        protected override bool NoWrap => true;

        public override IRenderable Render(RenderOptions options, ProgressTask task, TimeSpan deltaTime) => new Text(_texts.GetValueOrDefault(task.Id, "")).Overflow(Overflow.Ellipsis);
    }
}
