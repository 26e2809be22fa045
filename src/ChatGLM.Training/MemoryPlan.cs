using System.Globalization;

namespace ChatGLM.Training;

/// <summary>What a run is going to take, estimated before its first step.</summary>
public sealed record MemoryPlan
{
    /// <summary>All parameters. Those that are frozen and mapped are pages of their files, which the system can drop and read again.</summary>
    public required long WeightBytes { get; init; }

    /// <summary>The parameters that are trained.</summary>
    public required long TrainableBytes { get; init; }

    /// <summary>The number of trained parameters.</summary>
    public required long TrainableParameters { get; init; }

    /// <summary>The number of all parameters.</summary>
    public required long Parameters { get; init; }

    /// <summary>Their gradients.</summary>
    public required long GradientBytes { get; init; }

    /// <summary>What the optimizer keeps.</summary>
    public required long OptimizerBytes { get; init; }

    /// <summary>What the largest batch leaves for its backward pass, estimated from the configuration.</summary>
    public required long ActivationBytes { get; init; }

    /// <summary>What there is.</summary>
    public required long LimitBytes { get; init; }

    /// <summary>What has to be in memory at the same time: everything but frozen weights.</summary>
    public long RequiredBytes => TrainableBytes + GradientBytes + OptimizerBytes + ActivationBytes;

    /// <summary>Whether it fits.</summary>
    public bool Fits => RequiredBytes <= LimitBytes;

    /// <summary>The plan in words.</summary>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"training {TrainableParameters:N0} of {Parameters:N0} parameters: weights {Mib(WeightBytes)}, gradients {Mib(GradientBytes)}, optimizer {Mib(OptimizerBytes)}, activations about {Mib(ActivationBytes)}; {Mib(RequiredBytes)} besides frozen weights, of {Mib(LimitBytes)}");

    private static string Mib(long bytes) => string.Create(CultureInfo.InvariantCulture, $"{bytes / (1024.0 * 1024):N0} MiB");

    internal static MemoryPlan Estimate(TrainableModel model, TrainingArguments arguments, int longestRow)
    {
        var all = model.Module.NamedParameters().Select(p => p.Parameter).ToList();
        var trained = all.Where(p => p.RequiresGrad).ToList();
        var elements = trained.Sum(p => p.ElementCount);
        return new MemoryPlan
        {
            WeightBytes = all.Sum(p => p.ByteLength),
            TrainableBytes = trained.Sum(p => p.ByteLength),
            TrainableParameters = elements,
            Parameters = all.Sum(p => p.ElementCount),
            GradientBytes = elements * sizeof(float),
            OptimizerBytes = elements * OptimizerFactory.StateBytesPerElement(arguments.Optim),
            ActivationBytes = Activations(model, arguments, longestRow),
            LimitBytes = arguments.MemoryLimitBytes ?? GC.GetGCMemoryInfo().TotalAvailableMemoryBytes,
        };
    }

    private static long Activations(TrainableModel model, TrainingArguments arguments, int longestRow)
    {
        var config = model.BaseModel.Config;
        double tokens = (double)arguments.PerDeviceTrainBatchSize * longestRow;
        // Per token and layer a block keeps about ten rows of the hidden size (norms, q, k, v, attention, residuals) and, in the multilayer perceptron, about as much again.
        var insideLayer = tokens * config.HiddenSize * 20;
        var betweenLayers = tokens * config.HiddenSize;
        var layers = arguments.GradientCheckpointing ? insideLayer + (betweenLayers * config.NumLayers) : insideLayer * config.NumLayers;
        // Scores and their gradient.
        var logits = 2 * tokens * config.VocabularySize;
        return (long)((layers + logits) * sizeof(float));
    }
}
