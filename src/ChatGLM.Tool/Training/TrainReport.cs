using System.Diagnostics;
using System.Text.Json.Nodes;
using ChatGLM.Tool.Terminal;
using ChatGLM.Training;

namespace ChatGLM.Tool.Training;

/// <summary>Collects what a trainer measures, for a program that reads; and tells it of the steps, as JSON lines on the error output.</summary>
internal sealed class TrainReport(ToolConsole console) : TrainerCallback
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(0.5);

    private readonly JsonObject _results = [];
    private string? _outputFolder;
    private long _shown;

    /// <summary>The folder of results, and the last value of every metric.</summary>
    public JsonObject Json => new() { ["output_dir"] = _outputFolder, ["metrics"] = _results.DeepClone() };

    public override void OnInitEnd(TrainerContext context) => _outputFolder = context.Arguments.OutputDir;

    public override void OnLog(TrainerContext context) => Keep(context);

    public override void OnEvaluate(TrainerContext context) => Keep(context);

    public override void OnPredict(TrainerContext context) => Keep(context);

    public override void OnStepEnd(TrainerContext context)
    {
        if (context.Progress is not { } at || (_shown != 0 && at.Step < at.TotalSteps && Stopwatch.GetElapsedTime(_shown) < Interval))
            return;
        _shown = Stopwatch.GetTimestamp();
        JsonLine.Write(console.Error, new JsonObject
        {
            ["event"] = "progress",
            ["phase"] = "training",
            ["done"] = at.Step,
            ["total"] = at.TotalSteps,
            ["unit"] = "steps",
            ["per_second"] = at.Elapsed > TimeSpan.Zero ? Math.Round(at.Step / at.Elapsed.TotalSeconds, 3) : null,
            ["seconds_left"] = Math.Round(at.Remaining.TotalSeconds, 1),
            ["loss"] = Number(at.Loss),
            ["learning_rate"] = Number(at.LearningRate),
        });
    }

    private void Keep(TrainerContext context)
    {
        foreach (var (name, value) in context.Metrics)
            _results[name] = Number(value);
    }

    /// <summary>JSON has no number for what is none.</summary>
    private static JsonNode? Number(double value) => double.IsFinite(value) ? value : null;
}
