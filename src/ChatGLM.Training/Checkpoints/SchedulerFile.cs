using System.Text.Json;

namespace ChatGLM.Training;

/// <summary><c>scheduler.json</c> of a checkpoint.</summary>
internal static class SchedulerFile
{
    public const string FileName = "scheduler.json";

    public static void Write(string folder, SchedulerState state)
    {
        using var stream = File.Create(Path.Combine(folder, FileName));
        using var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true });
        json.WriteStartObject();
        json.WriteNumber("last_epoch", state.LastStep);
        WriteNumbers("base_lrs", state.InitialRates);
        WriteNumbers("_last_lr", state.Rates);
        // JSON has no infinity, which is what there is before the first evaluation.
        if (double.IsFinite(state.PlateauBest))
            json.WriteNumber("best", state.PlateauBest);
        json.WriteNumber("num_bad_epochs", state.PlateauBadEvaluations);
        json.WriteEndObject();

        void WriteNumbers(string name, IReadOnlyList<double> values)
        {
            json.WriteStartArray(name);
            foreach (var value in values)
                json.WriteNumberValue(value);
            json.WriteEndArray();
        }
    }

    public static SchedulerState Read(string folder, double noBest)
    {
        var path = Path.Combine(folder, FileName);
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(path), new JsonDocumentOptions { MaxDepth = 4 });
            var root = document.RootElement;
            return new SchedulerState(
                root.GetProperty("last_epoch").GetInt32(),
                [.. root.GetProperty("base_lrs").EnumerateArray().Select(rate => rate.GetDouble())],
                [.. root.GetProperty("_last_lr").EnumerateArray().Select(rate => rate.GetDouble())],
                root.TryGetProperty("best", out var best) ? best.GetDouble() : noBest,
                root.GetProperty("num_bad_epochs").GetInt32());
        }
        catch (Exception error) when (error is JsonException or KeyNotFoundException or InvalidOperationException or FormatException or FileNotFoundException)
        {
            throw new TrainingCheckpointException(path, $"this is no state of a schedule: {error.Message}", error);
        }
    }
}
