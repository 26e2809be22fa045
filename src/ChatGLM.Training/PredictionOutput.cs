namespace ChatGLM.Training;

/// <summary>What a prediction gave.</summary>
/// <param name="Predictions">The predicted ids of each row.</param>
/// <param name="LabelIds">The labels of each row; null if the data has none.</param>
/// <param name="Metrics">The metrics, each name beginning with the prefix.</param>
public sealed record PredictionOutput(IReadOnlyList<int[]> Predictions, IReadOnlyList<int[]>? LabelIds, IReadOnlyDictionary<string, double> Metrics);
