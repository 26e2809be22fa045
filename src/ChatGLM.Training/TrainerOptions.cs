using ChatGLM.Generation;
using ChatGLM.Models;
using ChatGLM.Tensors;
using Microsoft.Extensions.Logging;

namespace ChatGLM.Training;

/// <summary>What a <see cref="Trainer"/> can be given besides model, arguments and data.</summary>
public sealed record TrainerOptions
{
    /// <summary>Makes batches of rows; a <see cref="DefaultDataCollator"/> if null, which takes rows of one length.</summary>
    public IDataCollator? DataCollator { get; init; }

    /// <summary>Told of every event, in this order.</summary>
    public IReadOnlyList<TrainerCallback> Callbacks { get; init; } = [];

    /// <summary>Computes the loss of a batch; null for the model's own, with label smoothing if asked for.</summary>
    public Func<TrainableModel, ModelInputs, Tensor>? ComputeLoss { get; init; }

    /// <summary>Computes metrics from predictions and labels.</summary>
    public Func<EvalPrediction, IReadOnlyDictionary<string, double>>? ComputeMetrics { get; init; }

    /// <summary>Makes the optimizer; null for the one that the arguments name.</summary>
    public Func<TrainableModel, TrainingArguments, Optimizer>? CreateOptimizer { get; init; }

    /// <summary>Further numbers of the learning-rate schedule.</summary>
    public SchedulerOptions? Scheduler { get; init; }

    /// <summary>How evaluation and prediction generate under <see cref="TrainingArguments.PredictWithGenerate"/>; the model's own options if null.</summary>
    public GenerationConfig? Generation { get; init; }

    /// <summary>Told after every optimizer step.</summary>
    public IProgress<TrainingProgress>? Progress { get; init; }

    /// <summary>Told of log entries, checkpoints and steps that were left out.</summary>
    public ILogger? Logger { get; init; }
}
