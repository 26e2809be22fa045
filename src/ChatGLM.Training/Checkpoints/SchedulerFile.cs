using ChatGLM.Formats;

namespace ChatGLM.Training;

/// <summary><c>scheduler.pt</c> of a checkpoint: the state dict of PyTorch's <c>LambdaLR</c> or <c>ReduceLROnPlateau</c>.</summary>
internal static class SchedulerFile
{
    public const string FileName = "scheduler.pt";

    public static void Write(string folder, SchedulerState state, SchedulerType type, SchedulerOptions options)
    {
        var rates = state.Rates.Select(rate => (object?)rate).ToList();
        var values = type == SchedulerType.ReduceLrOnPlateau
            ? new Dictionary<object, object?>
            {
                ["factor"] = options.Factor,
                ["min_lrs"] = state.Rates.Select(_ => (object?)0.0).ToList(),
                ["patience"] = options.Patience,
                ["verbose"] = false,
                ["cooldown"] = 0,
                ["cooldown_counter"] = 0,
                ["mode"] = options.GreaterIsBetter ? "max" : "min",
                ["threshold"] = options.Threshold,
                ["threshold_mode"] = "rel",
                ["best"] = state.PlateauBest,
                ["num_bad_epochs"] = state.PlateauBadEvaluations,
                ["mode_worse"] = options.GreaterIsBetter ? double.NegativeInfinity : double.PositiveInfinity,
                ["eps"] = LearningRateScheduler.LeastChange,
                ["last_epoch"] = state.LastStep,
                ["_last_lr"] = rates,
                ["base_lrs"] = state.InitialRates.Select(rate => (object?)rate).ToList(),
            }
            : new Dictionary<object, object?>
            {
                ["base_lrs"] = state.InitialRates.Select(rate => (object?)rate).ToList(),
                ["last_epoch"] = state.LastStep,
                ["verbose"] = false,
                ["_step_count"] = state.LastStep + 1,
                ["_get_lr_called_within_step"] = false,
                ["_last_lr"] = rates,
                ["lr_lambdas"] = state.Rates.Select(_ => (object?)new Dictionary<object, object?>()).ToList(),
            };
        TorchArchive.Save(values, Path.Combine(folder, FileName));
    }

    /// <summary>Reads a state that was written here or by Python.</summary>
    /// <param name="folder">The checkpoint.</param>
    /// <param name="present">The state of the schedule that goes on from it, for what the file does not say.</param>
    /// <param name="type">The form of that schedule.</param>
    public static SchedulerState Read(string folder, SchedulerState present, SchedulerType type)
    {
        var path = Path.Combine(folder, FileName);
        var file = TorchState.Load(path);
        if (file.Has("num_bad_epochs") != (type == SchedulerType.ReduceLrOnPlateau))
        {
            throw new TrainingCheckpointException(
                path, $"it is the state of {(file.Has("num_bad_epochs") ? "a plateau" : "another")} schedule than {SnakeCase.Of(type)}. Set lr_scheduler_type to that of the run that was saved.");
        }

        // A plateau that has never been told of an evaluation has no last rates yet.
        var rates = file.Has("_last_lr") ? file.Numbers("_last_lr") : present.Rates;
        var initial = file.Has("base_lrs") ? file.Numbers("base_lrs") : present.InitialRates;
        return type == SchedulerType.ReduceLrOnPlateau
            ? new SchedulerState(file.Count("last_epoch"), initial, rates, file.Number("best"), file.Count("num_bad_epochs"))
            : new SchedulerState(file.Count("last_epoch"), initial, rates, present.PlateauBest, 0);
    }
}
