using System.Text.Json;
using ChatGLM.Tensors;

namespace ChatGLM.Training;

/// <summary>
/// Where a run goes on: the place in the data and the random numbers as they were after the last optimizer step. Batches after that step whose gradients were still being
/// accumulated are gone through again, which gives the same gradients.
/// </summary>
internal sealed record ResumePoint
{
    public const string FileName = "trainer_progress.json";

    /// <summary>The epoch, from 0.</summary>
    public required int EpochIndex { get; init; }

    /// <summary>The batches of the epoch that are done.</summary>
    public required int BatchInEpoch { get; init; }

    /// <summary>The batches of the whole run that are done, which tells where accumulation stands.</summary>
    public required long Batches { get; init; }

    /// <summary>Batches after those whose losses have been counted already.</summary>
    public int CountedAhead { get; init; }

    /// <summary>Whether logging, evaluating and saving at the end of the epoch are done.</summary>
    public bool IsEpochEndDone { get; init; }

    /// <summary>Whether evaluating and saving after the last step were cut short, and have to be made when the run goes on.</summary>
    public bool IsStepEndPending { get; init; }

    /// <summary>The sum of losses since the last log entry.</summary>
    public double LossSinceLog { get; init; }

    /// <summary>The sum of losses before that.</summary>
    public double LossBefore { get; init; }

    /// <summary>The step of the last log entry.</summary>
    public int LastLoggedStep { get; init; }

    /// <summary>The rows that one step of the run takes; going on with another number would be another run.</summary>
    public int BatchSize { get; init; }

    /// <summary>The number of samples.</summary>
    public int Samples { get; init; }

    /// <summary>The steps that were left out.</summary>
    public int SkippedSteps { get; init; }

    /// <summary>The generator now; null to go on with what the order of the epoch has left.</summary>
    public byte[]? Random { get; init; }

    /// <summary>The generator before it drew the epoch's order.</summary>
    public required byte[] EpochRandom { get; init; }

    /// <summary>Whether a checkpoint was written here, and says more than those of Python do.</summary>
    public static bool IsIn(string folder) => File.Exists(Path.Combine(folder, FileName));

    public void Write(string folder, long seed)
    {
        using (var stream = File.Create(Path.Combine(folder, FileName)))
        using (var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteNumber("epoch_index", EpochIndex);
            json.WriteNumber("batch_in_epoch", BatchInEpoch);
            json.WriteNumber("batches", Batches);
            json.WriteNumber("counted_ahead", CountedAhead);
            json.WriteBoolean("epoch_end_done", IsEpochEndDone);
            json.WriteBoolean("step_end_pending", IsStepEndPending);
            json.WriteNumber("loss_since_log", LossSinceLog);
            json.WriteNumber("loss_before", LossBefore);
            json.WriteNumber("last_logged_step", LastLoggedStep);
            json.WriteNumber("skipped_steps", SkippedSteps);
            json.WriteNumber("batch_size", BatchSize);
            json.WriteNumber("samples", Samples);
            json.WriteEndObject();
        }

        RandomFile.Write(folder, seed, Random!, EpochRandom);
    }

    /// <summary>Reads what <see cref="Write"/> wrote.</summary>
    public static ResumePoint Read(string folder)
    {
        var path = Path.Combine(folder, FileName);
        var (random, epochRandom) = RandomFile.Read(folder);
        if (random is null || epochRandom is null)
            throw new TrainingCheckpointException(Path.Combine(folder, RandomFile.FileName), "the states of the random numbers are missing. Use an earlier checkpoint.");
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(path), new JsonDocumentOptions { MaxDepth = 4 });
            var root = document.RootElement;
            var point = new ResumePoint
            {
                EpochIndex = root.GetProperty("epoch_index").GetInt32(),
                BatchInEpoch = root.GetProperty("batch_in_epoch").GetInt32(),
                Batches = root.GetProperty("batches").GetInt64(),
                CountedAhead = root.GetProperty("counted_ahead").GetInt32(),
                IsEpochEndDone = root.GetProperty("epoch_end_done").GetBoolean(),
                IsStepEndPending = root.GetProperty("step_end_pending").GetBoolean(),
                LossSinceLog = root.GetProperty("loss_since_log").GetDouble(),
                LossBefore = root.GetProperty("loss_before").GetDouble(),
                LastLoggedStep = root.GetProperty("last_logged_step").GetInt32(),
                SkippedSteps = root.GetProperty("skipped_steps").GetInt32(),
                BatchSize = root.GetProperty("batch_size").GetInt32(),
                Samples = root.GetProperty("samples").GetInt32(),
                Random = random,
                EpochRandom = epochRandom,
            };
            return point is { EpochIndex: >= 0, BatchInEpoch: >= 0, Batches: >= 0, CountedAhead: >= 0, SkippedSteps: >= 0 }
                ? point
                : throw new TrainingCheckpointException(path, "a count is negative. Use an earlier checkpoint.");
        }
        catch (Exception error) when (error is JsonException or KeyNotFoundException or InvalidOperationException or FormatException or FileNotFoundException)
        {
            throw new TrainingCheckpointException(path, $"this is no progress of a run: {error.Message}", error);
        }
    }

    /// <summary>
    /// Where a run of Python's trainer goes on, which follows from its steps alone: it counts epochs by optimizer steps, starts accumulating anew, and goes through the orders of the epochs
    /// before from the seed on. At the end of an epoch its random numbers are taken over before the next order is drawn, else behind it.
    /// </summary>
    /// <param name="folder">The checkpoint.</param>
    /// <param name="state">Its trainer_state.json.</param>
    /// <param name="shape">The shape of this run.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="skipOrder">Draws the order of one epoch.</param>
    /// <param name="generator">The generator, which gets the run's seed.</param>
    public static ResumePoint OfPython(string folder, TrainerState state, in RunShape shape, TrainingArguments arguments, Action skipOrder, TorchGenerator generator)
    {
        var (random, _) = RandomFile.Read(folder);
        var epoch = state.GlobalStep / shape.StepsPerEpoch;
        var batch = state.GlobalStep % shape.StepsPerEpoch * arguments.GradientAccumulationSteps;
        generator.ManualSeed(unchecked((ulong)arguments.Seed));
        for (var i = 0; i < epoch && !arguments.IgnoreDataSkip; i++)
            skipOrder();
        var isBoundary = batch == 0;
        return new ResumePoint
        {
            EpochIndex = epoch,
            BatchInEpoch = batch,
            Batches = 0,
            LossBefore = LossOf(state.LogHistory),
            LastLoggedStep = state.GlobalStep,
            Random = isBoundary ? null : random,
            EpochRandom = isBoundary && random is not null ? random : generator.GetState(),
        };
    }

    /// <summary>The sum of losses, as far as the log says it: Python forgets it, and reports too small a mean over the whole run.</summary>
    private static double LossOf(IReadOnlyList<IReadOnlyDictionary<string, double>> log)
    {
        var (sum, last) = (0.0, 0.0);
        foreach (var entry in log)
        {
            if (!entry.TryGetValue("loss", out var loss) || !entry.TryGetValue("step", out var step))
                continue;
            sum += loss * (step - last);
            last = step;
        }

        return sum;
    }
}
