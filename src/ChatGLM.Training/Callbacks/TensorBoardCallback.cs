using System.Globalization;

namespace ChatGLM.Training;

/// <summary>
/// Writes log entries into an event file that TensorBoard shows (transformers' <c>TensorBoardCallback</c>), under transformers' tags: <c>train/loss</c>, <c>train/learning_rate</c>,
/// <c>eval/loss</c>. A trainer has it by itself where <see cref="TrainingArguments.ReportTo"/> says so.
/// </summary>
/// <param name="loggingDir">The folder; that of the arguments if null.</param>
public sealed class TensorBoardCallback(string? loggingDir = null) : TrainerCallback
{
    private EventFileWriter? _writer;

    /// <inheritdoc/>
    public override void OnTrainBegin(TrainerContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        _writer = null;
        Open(context).Text("args", context.Arguments.ToJson());
    }

    /// <inheritdoc/>
    public override void OnLog(TrainerContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        // An evaluation without training is logged too.
        Open(context).Scalars(context.State.GlobalStep, context.Metrics.Where(pair => pair.Key != "step").Select(pair => (TagOf(pair.Key), pair.Value)));
    }

    /// <inheritdoc/>
    public override void OnTrainEnd(TrainerContext context) => _writer = null;

    /// <summary><c>eval_loss</c> is <c>eval/loss</c>; what names no split is of training.</summary>
    internal static string TagOf(string key)
    {
        const string Eval = "eval_";
        const string Test = "test_";
        return key.StartsWith(Eval, StringComparison.Ordinal) ? string.Concat("eval/", key.AsSpan(Eval.Length))
            : key.StartsWith(Test, StringComparison.Ordinal) ? string.Concat("test/", key.AsSpan(Test.Length))
            : "train/" + key;
    }

    /// <summary>A folder of its own for each run, as transformers names it: <c>runs/Nov28_04-23-12_host</c>.</summary>
    private static string DefaultFolder(string outputDir) =>
        Path.Combine(outputDir, "runs", string.Create(CultureInfo.InvariantCulture, $"{DateTime.Now:MMMdd_HH-mm-ss}_{Environment.MachineName}"));

    private EventFileWriter Open(TrainerContext context) => _writer ??= new EventFileWriter(loggingDir ?? context.Arguments.LoggingDir ?? DefaultFolder(context.Arguments.OutputDir));
}
