namespace ChatGLM.Training;

/// <summary>Decides when to log, evaluate, save and stop, as the arguments say.</summary>
internal sealed class DefaultFlowCallback : TrainerCallback
{
    public override void OnStepEnd(TrainerContext context)
    {
        var (arguments, state, control) = (context.Arguments, context.State, context.Control);
        var step = state.GlobalStep;
        if (step == 1 && arguments.LoggingFirstStep)
            control.ShouldLog = true;
        if (IsDue(arguments.LoggingStrategy, arguments.LoggingSteps))
            control.ShouldLog = true;
        if (IsDue(arguments.EvaluationStrategy, arguments.EvalSteps ?? arguments.LoggingSteps) && arguments.EvalDelay <= step)
            control.ShouldEvaluate = true;
        if (IsDue(arguments.SaveStrategy, arguments.SaveSteps))
            control.ShouldSave = true;
        if (step >= state.MaxSteps)
            control.ShouldTrainingStop = true;

        bool IsDue(IntervalStrategy strategy, double every) => strategy == IntervalStrategy.Steps && step % TrainingArguments.Interval(every, state.MaxSteps) == 0;
    }

    public override void OnEpochEnd(TrainerContext context)
    {
        var (arguments, control) = (context.Arguments, context.Control);
        control.ShouldLog |= arguments.LoggingStrategy == IntervalStrategy.Epoch;
        control.ShouldEvaluate |= arguments.EvaluationStrategy == IntervalStrategy.Epoch && arguments.EvalDelay <= context.State.Epoch;
        control.ShouldSave |= arguments.SaveStrategy == IntervalStrategy.Epoch;
    }
}
