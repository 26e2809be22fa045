namespace ChatGLM.Training;

/// <summary>What metrics are computed from.</summary>
/// <param name="Predictions">The predicted ids of each row: generated ones, or the best id at each position.</param>
/// <param name="LabelIds">The labels of each row, -100 where they do not count; with best ids, label i is what position i should predict: they are shifted already.</param>
/// <param name="Inputs">The ids of each row under <see cref="TrainingArguments.IncludeInputsForMetrics"/>, else null.</param>
public sealed record EvalPrediction(IReadOnlyList<int[]> Predictions, IReadOnlyList<int[]> LabelIds, IReadOnlyList<int[]>? Inputs = null);
