namespace ChatGLM.Training;

/// <summary>
/// The factor of the initial learning rate at each step, as transformers' <c>get_scheduler</c> gives it. Pure: <see cref="LearningRateScheduler"/> sets it on an optimizer.
/// </summary>
public sealed class LearningRateSchedule
{
    private readonly SchedulerType _type;
    private readonly int _warmupSteps;
    private readonly int _totalSteps;
    private readonly double _initialRate;
    private readonly SchedulerOptions _options;

    /// <summary>Describes a schedule.</summary>
    /// <param name="type">Its form; <see cref="SchedulerType.ReduceLrOnPlateau"/> is a constant 1 here, since it depends on evaluations.</param>
    /// <param name="warmupSteps">Steps over which the factor rises from 0 to 1.</param>
    /// <param name="totalSteps">Steps of the whole run. A run may go on past them.</param>
    /// <param name="initialRate">The learning rate at factor 1, which the end of the polynomial is relative to.</param>
    /// <param name="options">Further numbers; transformers' defaults if null.</param>
    /// <exception cref="TrainingArgumentsException">The numbers do not make a schedule.</exception>
    public LearningRateSchedule(SchedulerType type, int warmupSteps, int totalSteps, double initialRate, SchedulerOptions? options = null)
    {
        (_type, _warmupSteps, _totalSteps, _initialRate, _options) = (type, warmupSteps, totalSteps, initialRate, options ?? new());
        if (warmupSteps < 0)
            throw new TrainingArgumentsException("warmup_steps", $"expected 0 or more, found {warmupSteps}.");
        if (totalSteps < 0)
            throw new TrainingArgumentsException("max_steps", $"expected 0 or more steps in all, found {totalSteps}.");
        if (type == SchedulerType.Polynomial && !(initialRate > _options.LrEnd))
            throw new TrainingArgumentsException("lr_scheduler_kwargs.lr_end", $"a polynomial decay ends below the learning rate {initialRate}, found {_options.LrEnd}.");
        if (type == SchedulerType.InverseSqrt && (_options.Timescale ?? warmupSteps) <= 0)
            throw new TrainingArgumentsException("warmup_steps", "inverse_sqrt takes its time scale from the warm-up, which is 0. Set warmup_steps, warmup_ratio or the time scale.");
    }

    /// <summary>The factor in force for an optimizer step.</summary>
    /// <param name="step">Steps done before it, from 0.</param>
    public double FactorAt(int step)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(step);
        if (_type is SchedulerType.Constant or SchedulerType.ReduceLrOnPlateau)
            return 1;
        if (step < _warmupSteps)
            return (double)step / Math.Max(1, _warmupSteps);
        var decaySteps = Math.Max(1, _totalSteps - _warmupSteps);
        var progress = (double)(step - _warmupSteps) / decaySteps;
        return _type switch
        {
            SchedulerType.Linear => Math.Max(0, (double)(_totalSteps - step) / decaySteps),
            SchedulerType.Cosine => Math.Max(0, 0.5 * (1 + Math.Cos(Math.PI * (_options.NumCycles ?? 0.5) * 2 * progress))),
            SchedulerType.CosineWithRestarts => progress >= 1 ? 0 : Math.Max(0, 0.5 * (1 + Math.Cos(Math.PI * ((_options.NumCycles ?? 1) * progress % 1)))),
            SchedulerType.Polynomial => Polynomial(step),
            SchedulerType.InverseSqrt => InverseSqrt(step),
            _ => 1,
        };
    }

    private double Polynomial(int step)
    {
        if (step > _totalSteps)
            return _options.LrEnd / _initialRate;
        var remaining = 1 - ((double)(step - _warmupSteps) / Math.Max(1, _totalSteps - _warmupSteps));
        return (((_initialRate - _options.LrEnd) * Math.Pow(remaining, _options.Power)) + _options.LrEnd) / _initialRate;
    }

    private double InverseSqrt(int step)
    {
        var timescale = _options.Timescale ?? _warmupSteps;
        return 1 / Math.Sqrt((double)(step + timescale - _warmupSteps) / timescale);
    }
}
