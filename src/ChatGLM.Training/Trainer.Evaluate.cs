using System.Diagnostics;
using System.Numerics.Tensors;
using ChatGLM.Generation;
using ChatGLM.Models;
using ChatGLM.Tensors;

namespace ChatGLM.Training;

public partial class Trainer
{
    private const int IgnoredLabel = -100;

    /// <summary>Computes the mean loss over a data set, and metrics if the options give a way to.</summary>
    /// <param name="dataset">The rows; those that the trainer was made with if null.</param>
    /// <param name="metricKeyPrefix">What the name of each metric begins with.</param>
    /// <param name="cancellationToken">Looked at before every batch.</param>
    public IReadOnlyDictionary<string, double> Evaluate(IReadOnlyList<TokenizedExample>? dataset = null, string metricKeyPrefix = "eval", CancellationToken cancellationToken = default)
    {
        dataset ??= _evalDataset ?? throw new TrainingArgumentsException("do_eval", "no evaluation data was given.");
        var metrics = new Dictionary<string, double>(RunOver(dataset, metricKeyPrefix, Arguments.PredictionLossOnly || _options.ComputeMetrics is null, cancellationToken).Metrics);
        Log(metrics);
        Notify((callback, context) => callback.OnEvaluate(context), metrics);
        return metrics;
    }

    /// <summary>Predicts every row of a data set: generates under <see cref="TrainingArguments.PredictWithGenerate"/>, else takes the best id at each position.</summary>
    /// <param name="dataset">The rows.</param>
    /// <param name="metricKeyPrefix">What the name of each metric begins with.</param>
    /// <param name="cancellationToken">Looked at before every batch.</param>
    public PredictionOutput Predict(IReadOnlyList<TokenizedExample> dataset, string metricKeyPrefix = "test", CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(dataset);
        var output = RunOver(dataset, metricKeyPrefix, lossOnly: false, cancellationToken);
        Notify((callback, context) => callback.OnPredict(context), output.Metrics);
        return output;
    }

    private PredictionOutput RunOver(IReadOnlyList<TokenizedExample> dataset, string prefix, bool lossOnly, CancellationToken cancellationToken)
    {
        var wasTraining = _model.Module.Training;
        _model.Module.Eval();
        using var noGrad = GradMode.NoGrad();
        var clock = Stopwatch.StartNew();
        var (predictions, labels) = (new List<int[]>(), new List<int[]>());
        var given = Arguments.IncludeInputsForMetrics && !lossOnly ? new List<int[]>() : null;
        var (lossSum, lossRows, batches) = (0.0, 0, 0);
        var total = (dataset.Count + Arguments.PerDeviceEvalBatchSize - 1) / Arguments.PerDeviceEvalBatchSize;
        try
        {
            for (var start = 0; start < dataset.Count; start += Arguments.PerDeviceEvalBatchSize, batches++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                using var scope = new TensorScope();
                var rows = new TokenizedExample[Math.Min(Arguments.PerDeviceEvalBatchSize, dataset.Count - start)];
                for (var i = 0; i < rows.Length; i++)
                    rows[i] = dataset[start + i];
                given?.AddRange(rows.Select(row => row.InputIds));
                var inputs = _collator.Collate(rows, _model.Backend);
                if (Arguments.PredictWithGenerate && !lossOnly)
                {
                    predictions.AddRange(Generate(inputs, cancellationToken));
                    labels.AddRange(rows.Where(row => row.Labels is not null).Select(row => row.Labels!));
                }
                else if (Score(inputs, lossOnly ? null : predictions, lossOnly ? null : labels) is { } loss)
                {
                    (lossSum, lossRows) = (lossSum + (loss * rows.Length), lossRows + rows.Length);
                }

                Notify((callback, context) => callback.OnPredictionStep(context), new TrainerContext(this, _control) { Prediction = new(batches + 1, total) });
            }
        }
        catch (Exception error) when (!_isTraining)
        {
            Notify((callback, context) => callback.OnInterrupted(context, error));
            throw;
        }
        finally
        {
            _model.Module.Train(wasTraining);
        }

        var metrics = new Dictionary<string, double>();
        if (lossRows > 0)
            metrics[prefix + "_loss"] = lossSum / lossRows;
        if (!lossOnly && _options.ComputeMetrics is { } compute && labels.Count == predictions.Count && labels.Count > 0)
        {
            foreach (var (key, value) in compute(new EvalPrediction(predictions, labels, given)))
                metrics[key.StartsWith(prefix + "_", StringComparison.Ordinal) ? key : $"{prefix}_{key}"] = value;
        }

        var seconds = Math.Max(clock.Elapsed.TotalSeconds, 1e-9);
        metrics[prefix + "_runtime"] = Math.Round(seconds, 4);
        metrics[prefix + "_samples_per_second"] = Math.Round(dataset.Count / seconds, 3);
        metrics[prefix + "_steps_per_second"] = Math.Round(batches / seconds, 3);
        return new PredictionOutput(predictions, labels.Count > 0 ? labels : null, metrics);
    }

    /// <summary>The loss of a batch, and its best ids beside its shifted labels.</summary>
    private double? Score(ModelInputs inputs, List<int[]>? predictions, List<int[]>? labels)
    {
        if (predictions is null)
            return inputs.Labels is null ? null : ComputeLoss(inputs).Item();
        var output = _model.Forward(inputs with { Labels = null });
        // Virtual tokens are scored before the others, and are no part of the text.
        var (rows, scored, front, vocabulary) = (output.Logits.Shape[0], output.Logits.Shape[1], output.VirtualTokens, output.Logits.Shape[2]);
        var seq = scored - front;
        var given = inputs.Labels?.ToArray<long>();
        var scores = new float[vocabulary];
        for (var row = 0; row < rows; row++)
        {
            var (best, target) = (new int[seq], new int[seq]);
            for (var position = 0; position < seq; position++)
            {
                output.Logits.Read(((((long)row * scored) + front + position) * vocabulary) * sizeof(float), System.Runtime.InteropServices.MemoryMarshal.AsBytes(scores.AsSpan()));
                best[position] = TensorPrimitives.IndexOfMax(scores);
                target[position] = given is null || position == seq - 1 ? IgnoredLabel : (int)given[(row * seq) + position + 1];
            }

            predictions.Add(best);
            if (given is not null)
                labels!.Add(target);
        }

        if (inputs.Labels is not { } expected)
            return null;
        return _options.ComputeLoss is { } compute ? compute(_model, inputs).Item() : new LabelSmoother(Arguments.LabelSmoothingFactor).Compute(output.Logits, BehindVirtualTokens(expected, output)).Item();
    }

    private IEnumerable<int[]> Generate(ModelInputs inputs, CancellationToken cancellationToken)
    {
        var result = _model.Generate(inputs with { Labels = null }, GenerationOptions(), cancellationToken);
        return [.. result.Sequences.Select((_, row) => result.Completion(row).ToArray())];
    }

    private GenerationConfig GenerationOptions()
    {
        var config = _options.Generation ?? (_model.BaseModel as ChatGLMForConditionalGeneration)?.GenerationConfig ?? new GenerationConfig();
        if (_options.Generation is null && Arguments.GenerationMaxLength is { } length)
            config = config with { MaxLength = length, MaxNewTokens = null };
        return _options.Generation is null && Arguments.GenerationNumBeams is { } beams ? config with { NumBeams = beams } : config;
    }
}
