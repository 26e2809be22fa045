using ChatGLM.Tensors;

namespace ChatGLM.Training;

/// <summary>Moves the learning rates of an optimizer along a schedule, each group from its own initial rate (PyTorch's <c>LambdaLR</c>, and <c>ReduceLROnPlateau</c>).</summary>
public sealed class LearningRateScheduler
{
    // A smaller change of the learning rate is not made (PyTorch's eps).
    internal const double LeastChange = 1e-8;

    private readonly Optimizer _optimizer;
    private readonly SchedulerType _type;
    private readonly SchedulerOptions _options;
    private readonly LearningRateSchedule[] _schedules;
    private readonly double[] _initialRates;
    private double _plateauBest;
    private int _plateauBadEvaluations;

    /// <summary>Takes the optimizer's present rates as the initial ones, and sets those of the first step.</summary>
    /// <param name="optimizer">What to set the rates of.</param>
    /// <param name="type">The form of the schedule.</param>
    /// <param name="warmupSteps">Steps of the warm-up.</param>
    /// <param name="totalSteps">Steps of the run.</param>
    /// <param name="options">Further numbers; transformers' defaults if null.</param>
    public LearningRateScheduler(Optimizer optimizer, SchedulerType type, int warmupSteps, int totalSteps, SchedulerOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(optimizer);
        (_optimizer, _type, _options) = (optimizer, type, options ?? new());
        _initialRates = [.. optimizer.Groups.Select(group => group.LearningRate)];
        _schedules = [.. _initialRates.Select(rate => new LearningRateSchedule(type, warmupSteps, totalSteps, rate, _options))];
        _plateauBest = _options.GreaterIsBetter ? double.NegativeInfinity : double.PositiveInfinity;
        Set();
    }

    /// <summary>The number of calls of <see cref="Step()"/>.</summary>
    public int LastStep { get; private set; }

    /// <summary>The learning rate of the first group.</summary>
    public double LastLearningRate => _optimizer.Groups[0].LearningRate;

    /// <summary>Goes on to the next step's rate; after <see cref="Optimizer.Step(double)"/>.</summary>
    public void Step()
    {
        LastStep++;
        Set();
    }

    /// <summary>Tells a plateau schedule what an evaluation gave. Others take no notice.</summary>
    public void Evaluated(double metric)
    {
        if (_type != SchedulerType.ReduceLrOnPlateau)
            return;
        var isBetter = _options.GreaterIsBetter ? metric > _plateauBest * (1 + _options.Threshold) : metric < _plateauBest * (1 - _options.Threshold);
        if (isBetter)
        {
            (_plateauBest, _plateauBadEvaluations) = (metric, 0);
            return;
        }

        if (++_plateauBadEvaluations <= _options.Patience)
            return;
        _plateauBadEvaluations = 0;
        foreach (var group in _optimizer.Groups)
        {
            var reduced = group.LearningRate * _options.Factor;
            if (group.LearningRate - reduced > LeastChange)
                group.LearningRate = reduced;
        }
    }

    internal SchedulerState State => new(LastStep, _initialRates, [.. _optimizer.Groups.Select(group => group.LearningRate)], _plateauBest, _plateauBadEvaluations);

    internal void Restore(SchedulerState state)
    {
        if (state.InitialRates.Count != _initialRates.Length || state.Rates.Count != _initialRates.Length || state.LastStep < 0)
            throw new TrainingArgumentsException("resume_from_checkpoint", $"the checkpoint's schedule has {state.InitialRates.Count} parameter groups, this run {_initialRates.Length}.");
        LastStep = state.LastStep;
        (_plateauBest, _plateauBadEvaluations) = (state.PlateauBest, state.PlateauBadEvaluations);
        for (var i = 0; i < _initialRates.Length; i++)
        {
            _initialRates[i] = state.InitialRates[i];
            _optimizer.Groups[i].LearningRate = state.Rates[i];
        }
    }

    private void Set()
    {
        if (_type == SchedulerType.ReduceLrOnPlateau)
            return;
        for (var i = 0; i < _initialRates.Length; i++)
            _optimizer.Groups[i].LearningRate = _initialRates[i] * _schedules[i].FactorAt(LastStep);
    }
}
