namespace ChatGLM.Training;

/// <summary>Ends training when evaluations have not got better for some time (transformers' <c>EarlyStoppingCallback</c>). It needs <see cref="TrainingArguments.LoadBestModelAtEnd"/>.</summary>
/// <param name="patience">The evaluations in a row without an improvement that end training.</param>
/// <param name="threshold">The improvement that counts as one.</param>
public sealed class EarlyStoppingCallback(int patience = 1, double threshold = 0) : TrainerCallback
{
    private int _badEvaluations;

    /// <inheritdoc/>
    public override void OnTrainBegin(TrainerContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        if (!context.Arguments.LoadBestModelAtEnd)
            throw new TrainingArgumentsException("load_best_model_at_end", "early stopping needs it, or what is returned is the model after it got worse.");
        _badEvaluations = 0;
    }

    /// <inheritdoc/>
    public override void OnEvaluate(TrainerContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        if (!context.Metrics.TryGetValue(context.Arguments.BestMetricKey, out var metric))
            throw new TrainingArgumentsException("metric_for_best_model", $"early stopping looks for '{context.Arguments.BestMetricKey}', evaluation gave {string.Join(", ", context.Metrics.Keys)}.");
        var isBetter = context.State.BestMetric is not { } best
            || ((context.Arguments.IsGreaterBetter ? metric > best : metric < best) && Math.Abs(metric - best) > threshold);
        _badEvaluations = isBetter ? 0 : _badEvaluations + 1;
        if (_badEvaluations >= patience)
            context.Control.ShouldTrainingStop = true;
    }
}
