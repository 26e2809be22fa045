using System.Globalization;
using ChatGLM.Models;
using ChatGLM.Tensors;

namespace ChatGLM.Training;

/// <summary>What a run is going to take, estimated before its first step.</summary>
public sealed record MemoryPlan
{
    /// <summary>All parameters, in memory of their own or in mapped files.</summary>
    public required long WeightBytes { get; init; }

    /// <summary>Those of them that lie in mapped files: pages that the system can drop and read again.</summary>
    public required long MappedWeightBytes { get; init; }

    /// <summary>The parameters that are trained.</summary>
    public required long TrainableBytes { get; init; }

    /// <summary>Trained parameters that lie in mapped files, and get memory of their own at the first step.</summary>
    public required long CopiedBytes { get; init; }

    /// <summary>The number of trained parameters.</summary>
    public required long TrainableParameters { get; init; }

    /// <summary>The number of all parameters.</summary>
    public required long Parameters { get; init; }

    /// <summary>Their gradients.</summary>
    public required long GradientBytes { get; init; }

    /// <summary>What the optimizer keeps.</summary>
    public required long OptimizerBytes { get; init; }

    /// <summary>What the largest batch leaves for its backward pass and needs in it, estimated from the configuration.</summary>
    public required long ActivationBytes { get; init; }

    /// <summary>What a process can have at most: the memory of the machine, or of its container.</summary>
    public required long LimitBytes { get; init; }

    /// <summary>What is free of that now.</summary>
    public required long AvailableBytes { get; init; }

    /// <summary>What the run takes beyond what is in memory already.</summary>
    public long RequiredBytes => CopiedBytes + GradientBytes + OptimizerBytes + ActivationBytes;

    /// <summary>What has to be in memory at the same time: everything but weights in mapped files.</summary>
    public long TotalBytes => WeightBytes - MappedWeightBytes + RequiredBytes;

    /// <summary>Whether it fits if nothing else needs memory. A run for which this is false is refused.</summary>
    public bool Fits => TotalBytes <= LimitBytes;

    /// <summary>Whether it fits in what is free now.</summary>
    public bool FitsNow => RequiredBytes <= AvailableBytes;

    /// <summary>The plan in words.</summary>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"training {TrainableParameters:N0} of {Parameters:N0} parameters; weights {Mib(WeightBytes - MappedWeightBytes)} in memory and {Mib(MappedWeightBytes)} in mapped files, gradients {Mib(GradientBytes)}, optimizer {Mib(OptimizerBytes)}, activations about {Mib(ActivationBytes)}: {Mib(TotalBytes)} in all, of {Mib(LimitBytes)}");

    internal static MemoryPlan Estimate(TrainableModel model, TrainingArguments arguments, int longestRow)
    {
        var all = model.Module.NamedParameters().Select(p => p.Parameter).ToList();
        var trained = all.Where(p => p.RequiresGrad).ToList();
        var elements = trained.Sum(p => p.ElementCount);
        var memory = GC.GetGCMemoryInfo(GCKind.Any);
        var limit = arguments.MemoryLimitBytes ?? memory.TotalAvailableMemoryBytes;
        return new MemoryPlan
        {
            WeightBytes = all.Sum(p => p.ByteLength),
            MappedWeightBytes = all.Where(IsMapped).Sum(p => p.ByteLength),
            TrainableBytes = trained.Sum(p => p.ByteLength),
            CopiedBytes = trained.Where(IsMapped).Sum(p => p.ByteLength),
            TrainableParameters = elements,
            Parameters = all.Sum(p => p.ElementCount),
            GradientBytes = elements * sizeof(float),
            OptimizerBytes = trained.Sum(p => OptimizerFactory.StateBytes(arguments.Optim, p)),
            ActivationBytes = Activations(model, arguments, longestRow, elements > all.Sum(p => p.ElementCount) / 2),
            LimitBytes = limit,
            AvailableBytes = Math.Max(0, limit - InUse(memory)),
        };
    }

    private static string Mib(long bytes) => string.Create(CultureInfo.InvariantCulture, $"{bytes / (1024.0 * 1024):N0} MiB");

    private static bool IsMapped(Tensor parameter) => parameter.Storage is MappedFile;

    /// <summary>The load that the garbage collector saw last, without pages that can be read again; before it has looked, what the process itself has.</summary>
    private static long InUse(in GCMemoryInfo memory) => memory.MemoryLoadBytes > 0 ? memory.MemoryLoadBytes : Environment.WorkingSet;

    private static long Activations(TrainableModel model, TrainingArguments arguments, int longestRow, bool isWhole)
    {
        var config = model.BaseModel.Config;
        double tokens = (double)arguments.PerDeviceTrainBatchSize * longestRow;
        var (hidden, keyValue) = (config.HiddenSize, config.KeyValueHeads * config.HeadDim);
        var inner = config is ChatGLM2Config later ? 2 * later.FfnHiddenSize : config is ChatGLM6BConfig first ? first.InnerHiddenSize : 4 * hidden;
        // What a block keeps per token: the inputs of two norms, the residual between, the joined projection, query, keys and values and their rotated forms, attention's result, and what the
        // activation of the multilayer perceptron starts from. Trained weights keep the inputs of their products too.
        var kept = (6.0 * hidden) + (4 * keyValue) + inner + (isWhole ? (3.0 * hidden) + inner : 0);
        // The gradients that are on their way at the same time.
        var moving = (4.0 * hidden) + (2 * keyValue) + (2 * inner);
        var layers = arguments.GradientCheckpointing || model.BaseModel.GradientCheckpointing ? kept + (hidden * (double)config.NumLayers) : kept * config.NumLayers;
        // Scores and their gradient.
        var logits = 2.0 * config.VocabularySize;
        return (long)(tokens * (layers + moving + logits) * sizeof(float));
    }
}
