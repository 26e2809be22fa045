namespace ChatGLM.Training;

/// <summary>The part of positions whose best id is the label, for <see cref="TrainerOptions.ComputeMetrics"/>. Positions that do not count are left out.</summary>
public static class Accuracy
{
    private const int IgnoredLabel = -100;

    /// <summary>The metric <c>accuracy</c>.</summary>
    public static IReadOnlyDictionary<string, double> Compute(EvalPrediction prediction)
    {
        ArgumentNullException.ThrowIfNull(prediction);
        var (right, all) = (0L, 0L);
        foreach (var (predicted, labels) in prediction.Predictions.Zip(prediction.LabelIds))
        {
            for (var i = 0; i < labels.Length; i++)
            {
                if (labels[i] == IgnoredLabel)
                    continue;
                all++;
                if (i < predicted.Length && predicted[i] == labels[i])
                    right++;
            }
        }

        return new Dictionary<string, double> { ["accuracy"] = all == 0 ? 0 : (double)right / all };
    }
}
