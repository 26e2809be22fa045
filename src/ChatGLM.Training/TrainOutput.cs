namespace ChatGLM.Training;

/// <summary>What a training run gave.</summary>
/// <param name="GlobalStep">The optimizer steps done, those before a resume included.</param>
/// <param name="TrainingLoss">The mean loss over all steps.</param>
/// <param name="Metrics">train_runtime, train_samples_per_second, train_steps_per_second, total_flos, train_loss, epoch.</param>
public sealed record TrainOutput(int GlobalStep, double TrainingLoss, IReadOnlyDictionary<string, double> Metrics);
