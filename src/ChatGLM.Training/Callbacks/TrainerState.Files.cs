using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace ChatGLM.Training;

/// <content><c>trainer_state.json</c> in transformers' form, readable by Python and by people.</content>
public sealed partial class TrainerState
{
    internal const string FileName = "trainer_state.json";
    private const int DefaultEvalSteps = 500;

    // One entry per logged step of a long run takes some hundred bytes.
    private const int LargestFileBytes = 256 << 20;

    internal void Write(Stream stream, TrainingArguments arguments)
    {
        using var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
        json.WriteStartObject();
        WriteOptional(json, "best_metric", BestMetric);
        json.WriteString("best_model_checkpoint", BestModelCheckpoint);
        WriteFloat(json, "epoch", Epoch);
        // transformers' default stands in the file of a run that does not evaluate by steps.
        WriteNumber(json, "eval_steps", arguments.EvalSteps ?? (arguments.EvaluationStrategy == IntervalStrategy.Steps ? arguments.LoggingSteps : DefaultEvalSteps));
        json.WriteNumber("global_step", GlobalStep);
        json.WriteBoolean("is_hyper_param_search", false);
        json.WriteBoolean("is_local_process_zero", true);
        json.WriteBoolean("is_world_process_zero", true);
        json.WriteStartArray("log_history");
        foreach (var entry in LogHistory)
        {
            json.WriteStartObject();
            foreach (var (key, value) in entry.OrderBy(pair => pair.Key, StringComparer.Ordinal))
            {
                if (key == "step")
                    json.WriteNumber(key, (long)value);
                else
                    WriteFloat(json, key, value);
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
        WriteNumber(json, "logging_steps", arguments.LoggingSteps);
        json.WriteNumber("max_steps", MaxSteps);
        json.WriteNumber("num_train_epochs", NumTrainEpochs);
        WriteNumber(json, "save_steps", arguments.SaveSteps);
        WriteFloat(json, "total_flos", TotalFlos);
        json.WriteNull("trial_name");
        json.WriteNull("trial_params");
        json.WriteEndObject();
    }

    internal static TrainerState Read(string path)
    {
        try
        {
            if (new FileInfo(path) is { Length: > LargestFileBytes and var length })
                throw new TrainingCheckpointException(path, $"expected at most {LargestFileBytes} bytes, found {length}.");
            using var document = JsonDocument.Parse(File.ReadAllBytes(path), new JsonDocumentOptions { MaxDepth = 16 });
            var root = document.RootElement;
            var state = new TrainerState
            {
                Epoch = root.GetProperty("epoch").GetDouble(),
                GlobalStep = root.GetProperty("global_step").GetInt32(),
                MaxSteps = root.GetProperty("max_steps").GetInt32(),
                NumTrainEpochs = root.GetProperty("num_train_epochs").GetInt32(),
                TotalFlos = root.GetProperty("total_flos").GetDouble(),
                BestMetric = root.TryGetProperty("best_metric", out var best) && best.ValueKind == JsonValueKind.Number ? best.GetDouble() : null,
                BestModelCheckpoint = root.TryGetProperty("best_model_checkpoint", out var folder) ? folder.GetString() : null,
            };
            foreach (var entry in root.GetProperty("log_history").EnumerateArray())
                state.Log(entry.EnumerateObject().Where(p => p.Value.ValueKind == JsonValueKind.Number).ToDictionary(p => p.Name, p => p.Value.GetDouble()));
            if (state.GlobalStep < 0)
                throw new TrainingCheckpointException(path, $"global_step: expected 0 or more, found {state.GlobalStep}.");
            return state;
        }
        catch (Exception error) when (error is JsonException or KeyNotFoundException or InvalidOperationException or FormatException or ArgumentException)
        {
            throw new TrainingCheckpointException(path, $"this is no trainer state: {error.Message}", error);
        }
    }

    private static void WriteOptional(Utf8JsonWriter json, string name, double? value)
    {
        if (value is { } number)
            WriteFloat(json, name, number);
        else
            json.WriteNull(name);
    }

    private static void WriteNumber(Utf8JsonWriter json, string name, double value)
    {
        if (value == Math.Floor(value) && Math.Abs(value) < 1e15)
            json.WriteNumber(name, (long)value);
        else
            json.WriteNumber(name, value);
    }

    /// <summary>A number that Python reads as a float: whole ones get a ".0". What is not finite becomes null, since JSON has no word for it.</summary>
    private static void WriteFloat(Utf8JsonWriter json, string name, double value)
    {
        json.WritePropertyName(name);
        if (!double.IsFinite(value))
            json.WriteNullValue();
        else if (value == Math.Floor(value) && Math.Abs(value) < 1e15)
            json.WriteRawValue(value.ToString("0.0", CultureInfo.InvariantCulture));
        else
            json.WriteNumberValue(value);
    }
}
