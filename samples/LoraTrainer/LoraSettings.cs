namespace ChatGLM.Samples.LoraTrainer;

/// <summary>The settings of the trainer's <c>config.py</c>, with its names in C# casing and its defaults.</summary>
internal sealed record LoraSettings
{
    /// <summary>The original's own default.</summary>
    public const string UsualDataPath = "./train_data.json";

    public int MicroBatchSize { get; init; } = 4;

    public int BatchSize { get; init; } = 8;

    public double Epochs { get; init; } = 100;

    public int WarmupSteps { get; init; } = 100;

    public double LearningRate { get; init; } = 2e-5;

    public int CutoffLen { get; init; } = 256;

    public int LoraR { get; init; } = 16;

    public double LoraAlpha { get; init; } = 16;

    public double LoraDropout { get; init; } = 0.05;

    public string ModelName { get; init; } = DemoSnapshot.Folder;

    public int LoggingSteps { get; init; } = 100;

    public string OutputDir { get; init; } = "./output_model";

    public string DataPath { get; init; } = UsualDataPath;

    public DataType DataType { get; init; }

    public int SaveSteps { get; init; } = 1000;

    public int SaveTotalLimit { get; init; } = 3;

    /// <summary>Bits of the frozen base: 8 as in the original, 4, or 0 for the weights as they are.</summary>
    public int Bits { get; init; } = 8;

    public string Prompt { get; init; } = "Input your prompt";

    public double Temperature { get; init; }

    public string LoraCheckpointDir { get; init; } = "./output_model/checkpoint-1000/";
}
