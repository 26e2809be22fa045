using System.Diagnostics;
using ChatGLM.Models;
using ChatGLM.Tensors;

namespace ChatGLM.Training;

public partial class Trainer
{
    private readonly Stopwatch _clock = new();
    private Optimizer? _optimizer;
    private LearningRateScheduler? _scheduler;
    private Tensor[] _trained = [];
    private ResumePoint? _boundary;
    private double _lossSinceLog;
    private double _lossBefore;
    private int _lastLoggedStep;
    private int _firstStep;
    private bool _isTraining;
    private long _batches;
    private long _tokens;
    private long _flosPerToken;
    private (string Tensor, double Value)? _notFinite;

    /// <summary>Trains. On cancellation the present optimizer step is finished and a checkpoint saved first.</summary>
    /// <param name="resumeFromCheckpoint">A checkpoint folder to go on from, or <c>true</c> for the newest in the output folder; null for what the arguments say.</param>
    /// <param name="cancellationToken">Looked at after every optimizer step.</param>
    /// <exception cref="OperationCanceledException">The run was cancelled; its message names the checkpoint.</exception>
    /// <exception cref="NonFiniteException">A loss or gradient is not finite.</exception>
    /// <exception cref="TrainingCheckpointException">The checkpoint to go on from is damaged or of another run.</exception>
    /// <exception cref="TrainingArgumentsException">The run cannot be made, for instance because it does not fit in memory.</exception>
    public TrainOutput Train(string? resumeFromCheckpoint = null, CancellationToken cancellationToken = default)
    {
        _isTraining = true;
        try
        {
            return Run(resumeFromCheckpoint, cancellationToken);
        }
        catch (Exception error)
        {
            Notify((callback, context) => callback.OnInterrupted(context, error));
            throw;
        }
        finally
        {
            _isTraining = false;
        }
    }

    private TrainOutput Run(string? resumeFromCheckpoint, CancellationToken cancellationToken)
    {
        var dataset = _trainDataset ?? throw new TrainingArgumentsException("do_train", "no training data was given.");
        var shape = RunShape.Of(dataset.Count, Arguments);
        var lengths = Arguments.GroupByLength ? dataset.Select(row => row.InputIds.Length).ToArray() : null;
        Plan(dataset, lengths);
        CheckpointFolder.Sweep(Arguments.OutputDir);
        // Switched on only: prepare_model_for_kbit_training may have done so before.
        _model.BaseModel.GradientCheckpointing |= Arguments.GradientCheckpointing;
        _model.Module.Train();
        _trained = [.. _model.TrainableParameters.Select(p => p.Parameter)];
        _flosPerToken = 6 * NonEmbeddingParameters();
        (_lossSinceLog, _lossBefore, _lastLoggedStep, _batches, _tokens, _notFinite) = (0, 0, 0, 0, 0, null);
        State = new TrainerState { MaxSteps = shape.MaxSteps, NumTrainEpochs = shape.Epochs };
        using (TensorScope.Suspend())
        using (_optimizer = (_options.CreateOptimizer ?? OptimizerFactory.Create)(_model, Arguments))
        {
            var warmup = Arguments.GetWarmupSteps(shape.MaxSteps);
            _scheduler = new LearningRateScheduler(_optimizer, Arguments.LrSchedulerType, warmup, shape.MaxSteps, SchedulerOptions());
            var resume = ResolveResume(resumeFromCheckpoint) is { } folder ? Resume(folder, shape, dataset.Count, lengths) : null;
            (_control.ShouldTrainingStop, _control.ShouldEpochStop) = (false, false);
            (Progress, _firstStep) = (null, State.GlobalStep);
            _clock.Restart();
            try
            {
                Notify((callback, context) => callback.OnTrainBegin(context));
                for (var epoch = resume?.EpochIndex ?? 0; epoch < shape.Epochs && !_control.ShouldTrainingStop && State.GlobalStep < shape.MaxSteps; epoch++, resume = null)
                    TrainEpoch(epoch, dataset, lengths, shape, resume, cancellationToken);
            }
            finally
            {
                foreach (var parameter in _trained)
                    parameter.ZeroGrad();
                _model.Module.Eval();
            }

            return Finish(shape);
        }
    }

    /// <summary>Trains on a worker thread.</summary>
    /// <inheritdoc cref="Train"/>
    public Task<TrainOutput> TrainAsync(string? resumeFromCheckpoint = null, CancellationToken cancellationToken = default) =>
        Task.Run(() => Train(resumeFromCheckpoint, cancellationToken), CancellationToken.None);

    private void Plan(IReadOnlyList<TokenizedExample> dataset, int[]? lengths)
    {
        // Looking at every row of a large file would take longer than the estimate is worth.
        const int Sample = 1000;
        var longest = lengths is { Length: > 0 } ? lengths.Max() : Enumerable.Range(0, Math.Min(Sample, dataset.Count)).Max(row => dataset[row].InputIds.Length);
        MemoryPlan = MemoryPlan.Estimate(_model, Arguments, longest);
        LogPlan(_logger, MemoryPlan);
        if (MemoryPlan is { Fits: true, FitsNow: false })
            LogTight(_logger, MemoryPlan.AvailableBytes, MemoryPlan.RequiredBytes);
        if (!MemoryPlan.Fits)
        {
            throw new TrainingArgumentsException(
                "per_device_train_batch_size",
                $"the run does not fit in memory: {MemoryPlan}. Lower the batch size with more gradient_accumulation_steps, set gradient_checkpointing, or train fewer parameters.");
        }
    }

    private void TrainEpoch(int epoch, IReadOnlyList<TokenizedExample> dataset, int[]? lengths, in RunShape shape, ResumePoint? resume, CancellationToken cancellationToken)
    {
        var generator = _model.Generator;
        if (resume is not null)
            generator.SetState(resume.EpochRandom);
        var epochRandom = generator.GetState();
        var order = NextOrder(dataset.Count, lengths);
        if (resume?.Random is { } random)
            generator.SetState(random);
        var first = resume is null || Arguments.IgnoreDataSkip ? 0 : resume.BatchInEpoch;
        var counted = resume?.CountedAhead ?? 0;
        _boundary = new ResumePoint { EpochIndex = epoch, BatchInEpoch = first, Batches = _batches, Random = generator.GetState(), EpochRandom = epochRandom };
        _control.ShouldEpochStop = false;
        var accumulation = Arguments.GradientAccumulationSteps;
        Notify((callback, context) => callback.OnEpochBegin(context));
        if (resume is { IsStepEndPending: true })
        {
            Notify((callback, context) => callback.OnStepEnd(context));
            LogEvaluateSave(pendingBatches: 0, isEpochEnd: false, cancellationToken);
        }

        double stepLoss = 0;
        for (var batch = first; batch < shape.BatchesPerEpoch && !_control.ShouldEpochStop && !_control.ShouldTrainingStop; batch++)
        {
            if (_batches % accumulation == 0)
            {
                Notify((callback, context) => callback.OnStepBegin(context));
                stepLoss = 0;
            }

            var start = batch * Arguments.PerDeviceTrainBatchSize;
            stepLoss += TrainBatch(dataset, order.AsSpan(start, Math.Min(Arguments.PerDeviceTrainBatchSize, order.Length - start)), isCounted: counted-- <= 0);
            _batches++;
            if (_batches % accumulation != 0 && !(shape.BatchesPerEpoch <= accumulation && batch + 1 == shape.BatchesPerEpoch))
            {
                Notify((callback, context) => callback.OnSubstepEnd(context));
                continue;
            }

            StepOptimizer(epoch + ((double)(batch + 1) / shape.BatchesPerEpoch), stepLoss);
            _boundary = _boundary with { BatchInEpoch = batch + 1, Batches = _batches, Random = generator.GetState() };
            Notify((callback, context) => callback.OnStepEnd(context));
            LogEvaluateSave(pendingBatches: 0, isEpochEnd: false, cancellationToken);
            StopIfCancelled(cancellationToken);
        }

        // A run that was saved at the end of this epoch has logged and evaluated there already.
        if (resume is { IsEpochEndDone: true })
            return;
        Notify((callback, context) => callback.OnEpochEnd(context));
        LogEvaluateSave((int)(_batches - _boundary.Batches), isEpochEnd: true, cancellationToken);
    }

    /// <summary>Draws the order of an epoch.</summary>
    private int[] NextOrder(int samples, int[]? lengths) => _options.Sampler is { } sampler
        ? TrainingOrder.Check(sampler(samples, _model.Generator), samples)
        : TrainingOrder.NextEpoch(samples, lengths, Arguments.PerDeviceTrainBatchSize * Arguments.GradientAccumulationSteps, _model.Generator);

    /// <summary>Adds a batch's part to the gradients; returns that part of the step's loss.</summary>
    private double TrainBatch(IReadOnlyList<TokenizedExample> dataset, ReadOnlySpan<int> indices, bool isCounted)
    {
        var rows = new TokenizedExample[indices.Length];
        for (var i = 0; i < rows.Length; i++)
            rows[i] = dataset[indices[i]];
        using var scope = new TensorScope();
        var inputs = _collator.Collate(rows, _model.Backend);
        using var loss = ComputeLoss(inputs);
        var value = loss.Item();
        if (float.IsFinite(value))
            loss.Backward(Tensor.Full(loss.Shape, 1.0 / Arguments.GradientAccumulationSteps, DType.Float32, loss.Backend));
        else
            _notFinite ??= ("the loss", value);
        var part = value / Arguments.GradientAccumulationSteps;
        if (isCounted)
        {
            var tokens = inputs.InputIds.ElementCount;
            _tokens += tokens;
            State.TotalFlos += (double)_flosPerToken * tokens;
            if (float.IsFinite(value))
                _lossSinceLog += part;
        }

        return part;
    }

    /// <summary>Computes the loss of a batch, in training and evaluation. Override it, or give <see cref="TrainerOptions.ComputeLoss"/>, for a loss of your own; the loss is divided by the
    /// accumulation steps afterwards.</summary>
    /// <param name="inputs">The batch, with labels.</param>
    /// <returns>One number, recorded for a backward pass.</returns>
    protected virtual Tensor ComputeLoss(ModelInputs inputs)
    {
        if (_options.ComputeLoss is { } compute)
            return compute(_model, inputs);
        if (Arguments.LabelSmoothingFactor > 0 && inputs.Labels is { } labels)
        {
            var scored = _model.Forward(inputs with { Labels = null });
            return new LabelSmoother(Arguments.LabelSmoothingFactor).Compute(scored.Logits, BehindVirtualTokens(labels, scored));
        }

        return _model.Forward(inputs with { LossOnly = inputs.Labels is not null }).Loss
            ?? throw new TrainingDataException("a training batch", "it has no labels, so there is no loss. Give the rows labels, or a ComputeLoss.");
    }

    /// <summary>Labels [batch, virtual + seq] as long as the scores: virtual tokens are scored and have none.</summary>
    private static Tensor BehindVirtualTokens(Tensor labels, ModelOutput output)
    {
        if (output.VirtualTokens == 0)
            return labels;
        var none = Tensor.Full([labels.Shape[0], output.VirtualTokens], IgnoredLabel, labels.DType, labels.Backend);
        return Functional.Concat([none, labels], 1);
    }

    private void StepOptimizer(double epoch, double loss)
    {
        var step = State.GlobalStep + 1;
        var norm = GradientClipping.Norm(_trained);
        if (_notFinite is null && !double.IsFinite(norm))
            _notFinite = (NameOfBadGradient(), norm);
        var rate = _scheduler!.LastLearningRate;
        if (_notFinite is { } bad)
        {
            if (Arguments.NonFinitePolicy == NonFinitePolicy.Stop)
                throw new NonFiniteException(step, bad.Tensor, bad.Value);
            LogSkipped(_logger, step, bad.Tensor, bad.Value);
            State.SkippedSteps++;
            _notFinite = null;
        }
        else
        {
            var scale = Arguments.MaxGradNorm > 0 ? GradientClipping.Coefficient(norm, Arguments.MaxGradNorm) : 1;
            _optimizer!.Step(scale);
            Notify((callback, context) => callback.OnOptimizerStep(context), new TrainerContext(this, _control) { GradientScale = scale });
        }

        _scheduler.Step();
        foreach (var parameter in _trained)
            parameter.ZeroGrad();
        State.GlobalStep = step;
        State.Epoch = epoch;
        var elapsed = _clock.Elapsed;
        var remaining = elapsed * ((double)Math.Max(0, State.MaxSteps - step) / (step - _firstStep));
        Progress = new TrainingProgress(step, State.MaxSteps, epoch, loss, norm, rate, _tokens / Math.Max(elapsed.TotalSeconds, 1e-9), elapsed, remaining);
        _options.Progress?.Report(Progress.Value);
    }

    private void LogEvaluateSave(int pendingBatches, bool isEpochEnd, CancellationToken cancellationToken)
    {
        if (_control.ShouldLog && State.GlobalStep > _lastLoggedStep)
        {
            var mean = _lossSinceLog / (State.GlobalStep - _lastLoggedStep);
            _lossBefore += _lossSinceLog;
            (_lossSinceLog, _lastLoggedStep) = (0, State.GlobalStep);
            Log(new() { ["loss"] = Math.Round(mean, 4), ["learning_rate"] = _scheduler!.LastLearningRate });
        }

        IReadOnlyDictionary<string, double>? metrics = null;
        if (_control.ShouldEvaluate)
        {
            try
            {
                metrics = Evaluate(cancellationToken: cancellationToken);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                // The evaluation is made when the run goes on, so that the best model is the same as if it had not been stopped.
                SaveCheckpoint(metrics: null, pendingBatches, isEpochEnd: false, isStepEndPending: !isEpochEnd);
                throw Cancelled(cancellationToken);
            }

            if (Arguments.LrSchedulerType == SchedulerType.ReduceLrOnPlateau)
                _scheduler!.Evaluated(BestMetricOf(metrics));
        }

        var shouldSave = _control.ShouldSave;
        (_control.ShouldLog, _control.ShouldEvaluate, _control.ShouldSave) = (false, false, false);
        if (shouldSave)
            SaveCheckpoint(metrics, pendingBatches, isEpochEnd);
    }

    private void StopIfCancelled(CancellationToken cancellationToken)
    {
        if (!cancellationToken.IsCancellationRequested)
            return;
        if (_savedStep != State.GlobalStep)
            SaveCheckpoint(metrics: null, pendingBatches: 0, isEpochEnd: false);
        throw Cancelled(cancellationToken);
    }

    private OperationCanceledException Cancelled(CancellationToken cancellationToken) => new(
        $"Training was cancelled after step {State.GlobalStep}; {CheckpointFolder.Of(Arguments.OutputDir, State.GlobalStep)} holds everything needed to go on.", cancellationToken);

    private TrainOutput Finish(in RunShape shape)
    {
        var seconds = Math.Max(_clock.Elapsed.TotalSeconds, 1e-9);
        var loss = (_lossBefore + _lossSinceLog) / Math.Max(1, State.GlobalStep);
        var samples = Arguments.MaxSteps > 0
            ? (double)Arguments.MaxSteps * Arguments.PerDeviceTrainBatchSize * Arguments.GradientAccumulationSteps
            : _trainDataset!.Count * Arguments.NumTrainEpochs;
        var metrics = new Dictionary<string, double>
        {
            ["train_runtime"] = Math.Round(seconds, 4),
            ["train_samples_per_second"] = Math.Round(samples / seconds, 3),
            ["train_steps_per_second"] = Math.Round(shape.MaxSteps / seconds, 3),
            ["total_flos"] = State.TotalFlos,
            ["train_loss"] = loss,
        };
        Log(metrics);
        if (Arguments.LoadBestModelAtEnd && State.BestModelCheckpoint is { } best)
        {
            CheckpointManifest.Verify(best);
            _model.Load(best);
        }

        Notify((callback, context) => callback.OnTrainEnd(context));
        return new TrainOutput(State.GlobalStep, loss, metrics);
    }

    private SchedulerOptions SchedulerOptions() => (_options.Scheduler ?? new()) with { GreaterIsBetter = Arguments.IsGreaterBetter };

    private string NameOfBadGradient() => _model.TrainableParameters
        .Where(p => p.Parameter.Grad is { } gradient && !double.IsFinite(gradient.Backend.SumOfSquares(gradient)))
        .Select(p => $"the gradient of {p.Name}").FirstOrDefault() ?? "the norm of all gradients";

    /// <summary>Every parameter that is no table of embeddings, each once.</summary>
    private long NonEmbeddingParameters()
    {
        var tables = _model.Module.NamedModules().Where(m => m.Module is Embedding).SelectMany(m => m.Module.OwnParameters).Select(p => p.Parameter)
            .ToHashSet<Tensor>(ReferenceEqualityComparer.Instance);
        return _model.Module.NamedParameters().Where(p => !tables.Contains(p.Parameter)).Sum(p => p.Parameter.ElementCount);
    }
}
