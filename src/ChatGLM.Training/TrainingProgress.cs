namespace ChatGLM.Training;

/// <summary>How far training is, after an optimizer step.</summary>
/// <param name="Step">The optimizer steps done.</param>
/// <param name="TotalSteps">Those of the whole run.</param>
/// <param name="Epoch">The epochs done, with the part of the present one.</param>
/// <param name="Loss">The mean loss of this step.</param>
/// <param name="GradientNorm">The 2-norm of its gradients before clipping.</param>
/// <param name="LearningRate">The learning rate that it was made with.</param>
/// <param name="TokensPerSecond">Tokens per second since the run began or went on.</param>
/// <param name="Elapsed">The time since then.</param>
/// <param name="Remaining">The time that the steps to come take, if they take as long as those since then.</param>
public readonly record struct TrainingProgress(
    int Step, int TotalSteps, double Epoch, double Loss, double GradientNorm, double LearningRate, double TokensPerSecond, TimeSpan Elapsed, TimeSpan Remaining);
