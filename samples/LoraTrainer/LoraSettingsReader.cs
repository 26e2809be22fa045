using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using ChatGLM.Training;

namespace ChatGLM.Samples.LoraTrainer;

/// <summary>Reads settings from flags, and from the environment what no flag gives.</summary>
internal sealed class LoraSettingsReader(ParseResult parsed, Func<string, string?> environment)
{
    /// <exception cref="TrainingArgumentsException">A value is no number, or not one of those that it can be.</exception>
    public LoraSettings Read()
    {
        var defaults = new LoraSettings();
        return new LoraSettings
        {
            MicroBatchSize = Whole("MICRO_BATCH_SIZE", defaults.MicroBatchSize),
            BatchSize = Whole("BATCH_SIZE", defaults.BatchSize),
            Epochs = Number("EPOCHS", defaults.Epochs),
            WarmupSteps = Whole("WARMUP_STEPS", defaults.WarmupSteps),
            LearningRate = Number("LEARNING_RATE", defaults.LearningRate),
            CutoffLen = Whole("CUTOFF_LEN", defaults.CutoffLen),
            LoraR = Whole("LORA_R", defaults.LoraR),
            LoraAlpha = Number("LORA_ALPHA", defaults.LoraAlpha),
            LoraDropout = Number("LORA_DROPOUT", defaults.LoraDropout),
            ModelName = Text("MODEL_NAME") ?? defaults.ModelName,
            LoggingSteps = Whole("LOGGING_STEPS", defaults.LoggingSteps),
            OutputDir = Text("OUTPUT_DIR") ?? defaults.OutputDir,
            DataPath = Text("DATA_PATH") ?? (File.Exists(defaults.DataPath) ? defaults.DataPath : Path.Combine(AppContext.BaseDirectory, "Data", "train_data.json")),
            DataType = Text("DATA_TYPE")?.ToLowerInvariant() switch
            {
                null => defaults.DataType,
                "json" => DataType.Json,
                "txt" => DataType.Txt,
                var other => throw new TrainingArgumentsException("DATA_TYPE", $"expected json or txt, found '{other}'."),
            },
            SaveSteps = Whole("SAVE_STEPS", defaults.SaveSteps),
            SaveTotalLimit = Whole("SAVE_TOTAL_LIMIT", defaults.SaveTotalLimit),
            Bits = Flag("BIT_4", false) ? 4 : Flag("BIT_8", true) ? 8 : 0,
            Prompt = Text("PROMPT") ?? defaults.Prompt,
            Temperature = Number("TEMPERATURE", defaults.Temperature),
            LoraCheckpointDir = Text("LORA_CHECKPOINT_DIR") ?? defaults.LoraCheckpointDir,
        };
    }

    private string? Text(string name) => parsed.GetResult("--" + name) is OptionResult { Tokens: { Count: > 0 } words }
        ? string.Join(' ', words.Select(word => word.Value))
        : environment(name) is { Length: > 0 } value ? value : null;

    private int Whole(string name, int standard) => Text(name) is not { } text
        ? standard
        : int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value)
            ? value
            : throw new TrainingArgumentsException(name, $"expected a whole number, found '{text}'.");

    private double Number(string name, double standard) => Text(name) is not { } text
        ? standard
        : double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && double.IsFinite(value)
            ? value
            : throw new TrainingArgumentsException(name, $"expected a number, found '{text}'.");

    private bool Flag(string name, bool standard) => Text(name)?.ToLowerInvariant() switch
    {
        null => standard,
        "true" or "1" or "yes" => true,
        "false" or "0" or "no" => false,
        var other => throw new TrainingArgumentsException(name, $"expected true or false, found '{other}'."),
    };
}
