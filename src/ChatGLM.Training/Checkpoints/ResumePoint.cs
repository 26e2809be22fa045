using System.Text.Json;
using ChatGLM.Formats;
using ChatGLM.Tensors;

namespace ChatGLM.Training;

/// <summary>
/// Where a run goes on: the place in the data and the random numbers as they were after the last optimizer step. Batches after that step whose gradients were still being
/// accumulated are gone through again, which gives the same gradients.
/// </summary>
internal sealed record ResumePoint
{
    public const string FileName = "trainer_progress.json";
    public const string RandomFileName = "rng_state.safetensors";

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

    /// <summary>The generator now.</summary>
    public required byte[] Random { get; init; }

    /// <summary>The generator before it drew the epoch's order.</summary>
    public required byte[] EpochRandom { get; init; }

    public void Write(string folder)
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
            json.WriteNumber("batch_size", BatchSize);
            json.WriteNumber("samples", Samples);
            json.WriteEndObject();
        }

        using var scope = new TensorScope();
        var states = new Dictionary<string, Tensor> { ["generator"] = Tensor.From(Random, [Random.Length]), ["epoch_generator"] = Tensor.From(EpochRandom, [EpochRandom.Length]) };
        Safetensors.SaveFile(states, Path.Combine(folder, RandomFileName));
    }

    public static ResumePoint Read(string folder)
    {
        var path = Path.Combine(folder, FileName);
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
                BatchSize = root.GetProperty("batch_size").GetInt32(),
                Samples = root.GetProperty("samples").GetInt32(),
                Random = ReadState(folder, "generator"),
                EpochRandom = ReadState(folder, "epoch_generator"),
            };
            return point is { EpochIndex: >= 0, BatchInEpoch: >= 0, Batches: >= 0, CountedAhead: >= 0 }
                ? point
                : throw new TrainingCheckpointException(path, "a count is negative. Use an earlier checkpoint.");
        }
        catch (Exception error) when (error is JsonException or KeyNotFoundException or InvalidOperationException or FormatException or FileNotFoundException)
        {
            throw new TrainingCheckpointException(path, $"this is no progress of a run: {error.Message}", error);
        }
    }

    private static byte[] ReadState(string folder, string name)
    {
        using var scope = new TensorScope();
        using var file = Checkpoint.Open(Path.Combine(folder, RandomFileName));
        return file.Read(name).ToArray<byte>();
    }
}
