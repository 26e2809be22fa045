namespace ChatGLM.Training;

public partial class Trainer
{
    private const string ArgumentsFileName = "training_args.json";

    private int _savedStep = -1;

    private void SaveCheckpoint(IReadOnlyDictionary<string, double>? metrics, int pendingBatches, bool isEpochEnd, bool isStepEndPending = false)
    {
        var path = CheckpointFolder.Of(Arguments.OutputDir, State.GlobalStep);
        if (metrics is not null && (Arguments.LoadBestModelAtEnd || Arguments.MetricForBestModel is not null))
        {
            var metric = BestMetricOf(metrics);
            if (State.BestMetric is not { } best || State.BestModelCheckpoint is null || (Arguments.IsGreaterBetter ? metric > best : metric < best))
                (State.BestMetric, State.BestModelCheckpoint) = (metric, path);
        }

        var point = _boundary! with
        {
            CountedAhead = pendingBatches,
            IsEpochEndDone = isEpochEnd,
            IsStepEndPending = isStepEndPending,
            LossSinceLog = _lossSinceLog,
            LossBefore = _lossBefore,
            LastLoggedStep = _lastLoggedStep,
            SkippedSteps = State.SkippedSteps,
            BatchSize = Arguments.PerDeviceTrainBatchSize * Arguments.GradientAccumulationSteps,
            Samples = _trainDataset!.Count,
        };
        CheckpointFolder.Write(Arguments.OutputDir, State.GlobalStep, folder =>
        {
            _model.Save(folder, Arguments.SaveSafetensors);
            OptimizerFile.Write(folder, _optimizer!, _scheduler!.State.InitialRates);
            SchedulerFile.Write(folder, _scheduler.State, Arguments.LrSchedulerType, SchedulerOptions());
            point.Write(folder, Arguments.Seed);
            File.WriteAllText(Path.Combine(folder, ArgumentsFileName), Arguments.ToJson());
            using var state = File.Create(Path.Combine(folder, TrainerState.FileName));
            State.Write(state, Arguments);
        });
        _savedStep = State.GlobalStep;
        LogSaved(_logger, path);
        foreach (var removed in CheckpointFolder.Rotate(Arguments.OutputDir, Arguments.SaveTotalLimit, State.BestModelCheckpoint, path))
            LogRemoved(_logger, removed);
        Notify((callback, context) => callback.OnSave(context));
    }

    private string? ResolveResume(string? given)
    {
        var from = given ?? Arguments.ResumeFromCheckpoint;
        if (from is null || from.Equals("false", StringComparison.OrdinalIgnoreCase))
            return null;
        if (from.Equals("true", StringComparison.OrdinalIgnoreCase))
        {
            var all = CheckpointFolder.List(Arguments.OutputDir);
            return all.Count > 0 ? all[^1].Path : throw new TrainingCheckpointException(Arguments.OutputDir, "there is no checkpoint-N folder to go on from.");
        }

        return Directory.Exists(from) ? from : throw new TrainingCheckpointException(from, "there is no such folder to go on from.");
    }

    private ResumePoint Resume(string folder, RunShape shape, int samples, int[]? lengths)
    {
        CheckpointManifest.Verify(folder);
        if (new[] { OptimizerFile.FileName, SchedulerFile.FileName, TrainerState.FileName }.FirstOrDefault(name => !File.Exists(Path.Combine(folder, name))) is { } missing)
            throw new TrainingCheckpointException(folder, $"{missing} is needed to go on, and is not there. Load the weights alone, and train from them anew.");
        var state = TrainerState.Read(Path.Combine(folder, TrainerState.FileName));
        ResumePoint point;
        if (ResumePoint.IsIn(folder))
        {
            point = ResumePoint.Read(folder);
            RequireSameData(folder, point, shape, samples);
        }
        else
        {
            point = ResumePoint.OfPython(folder, state, shape, Arguments, () => NextOrder(samples, lengths), _model.Generator);
        }

        OptimizerFile.Read(folder, _optimizer!, state.GlobalStep);
        _scheduler!.Restore(SchedulerFile.Read(folder, _scheduler.State, Arguments.LrSchedulerType));
        _model.Load(folder);
        (state.MaxSteps, state.NumTrainEpochs, state.SkippedSteps) = (shape.MaxSteps, shape.Epochs, point.SkippedSteps);
        State = state;
        (_lossSinceLog, _lossBefore, _lastLoggedStep, _batches) = (point.LossSinceLog, point.LossBefore, point.LastLoggedStep, point.Batches);
        _savedStep = state.GlobalStep;
        LogResumed(_logger, folder, state.GlobalStep);
        return point;
    }

    private void RequireSameData(string folder, ResumePoint point, in RunShape shape, int samples)
    {
        var size = Arguments.PerDeviceTrainBatchSize * Arguments.GradientAccumulationSteps;
        if (point.Samples != samples || point.BatchSize != size)
        {
            throw new TrainingCheckpointException(
                folder, $"it is of a run over {point.Samples} rows, {point.BatchSize} in a step; this one has {samples} rows, {size} in a step. Going on would skip or repeat data.");
        }

        if (point.EpochIndex > shape.Epochs || point.BatchInEpoch > shape.BatchesPerEpoch)
            throw new TrainingCheckpointException(folder, $"its progress is epoch {point.EpochIndex}, batch {point.BatchInEpoch}, beyond this run's {shape.Epochs} epochs of {shape.BatchesPerEpoch}.");
    }

    private double BestMetricOf(IReadOnlyDictionary<string, double> metrics) => metrics.TryGetValue(Arguments.BestMetricKey, out var metric)
        ? metric
        : throw new TrainingArgumentsException("metric_for_best_model", $"evaluation gave no '{Arguments.BestMetricKey}', but {string.Join(", ", metrics.Keys)}.");
}
