namespace ChatGLM.Training;

/// <summary>What a callback is told.</summary>
/// <param name="Trainer">The trainer.</param>
/// <param name="Control">What to do next; the callback may change it.</param>
public sealed record TrainerContext(Trainer Trainer, TrainerControl Control)
{
    /// <summary>The arguments of the run.</summary>
    public TrainingArguments Arguments => Trainer.Arguments;

    /// <summary>How far the run is.</summary>
    public TrainerState State => Trainer.State;

    /// <summary>The last optimizer step of this run; null before the first.</summary>
    public TrainingProgress? Progress => Trainer.Progress;

    /// <summary>How far an evaluation or prediction is; null where none is under way.</summary>
    public PredictionProgress? Prediction { get; init; }

    /// <summary>What was just measured or logged; empty at other events.</summary>
    public IReadOnlyDictionary<string, double> Metrics { get; init; } = new Dictionary<string, double>();
}
