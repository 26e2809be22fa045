using System.Globalization;

namespace ChatGLM.Training;

/// <summary>How progress and log entries read on a console.</summary>
internal static class ProgressText
{
    /// <summary><c>loss 2.3134  lr 1.9e-05  1,204 tokens/s  2:05 left</c>.</summary>
    public static string Of(in TrainingProgress progress) => string.Create(
        CultureInfo.InvariantCulture,
        $"loss {progress.Loss:0.0000}  lr {Number(progress.LearningRate)}  {progress.TokensPerSecond:N0} tokens/s  {Of(progress.Remaining)} left");

    /// <summary>A log entry on one line; with the progress of the run if it is one of training.</summary>
    public static string Of(TrainerContext context)
    {
        var (metrics, state) = (context.Metrics, context.State);
        var numbers = string.Join("  ", metrics.Where(pair => pair.Key != "step").Select(pair => string.Create(CultureInfo.InvariantCulture, $"{pair.Key} {Number(pair.Value)}")));
        var text = string.Create(CultureInfo.InvariantCulture, $"step {state.GlobalStep}/{state.MaxSteps}  {numbers}");
        return metrics.ContainsKey("loss") && context.Progress is { } progress
            ? string.Create(CultureInfo.InvariantCulture, $"{text}  {progress.TokensPerSecond:N0} tokens/s  {Of(progress.Remaining)} left")
            : text;
    }

    /// <summary><c>1:02:05</c>, <c>2:05</c>.</summary>
    private static string Of(TimeSpan time) => time.TotalHours >= 1
        ? string.Create(CultureInfo.InvariantCulture, $"{(long)time.TotalHours}:{time.Minutes:00}:{time.Seconds:00}")
        : string.Create(CultureInfo.InvariantCulture, $"{time.Minutes}:{time.Seconds:00}");

    private static string Number(double value) =>
        value != 0 && Math.Abs(value) is < 1e-3 or >= 1e7 ? value.ToString("0.###e+00", CultureInfo.InvariantCulture) : value.ToString("0.####", CultureInfo.InvariantCulture);
}
