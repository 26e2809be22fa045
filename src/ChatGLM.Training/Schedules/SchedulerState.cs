namespace ChatGLM.Training;

/// <summary>What a checkpoint keeps of a <see cref="LearningRateScheduler"/>.</summary>
internal sealed record SchedulerState(int LastStep, IReadOnlyList<double> InitialRates, IReadOnlyList<double> Rates, double PlateauBest, int PlateauBadEvaluations);
