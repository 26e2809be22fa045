using ChatGLM.Generation;

namespace ChatGLM.Tool.Evaluating;

/// <summary>What is evaluated on, and how. The defaults are those of THUDM's predictions.</summary>
internal sealed record EvaluateSettings
{
    /// <summary>Questions and answers; null for none.</summary>
    public string? DataFile { get; init; }

    /// <summary>A text to be surprised by; null for none.</summary>
    public string? TextFile { get; init; }

    public string? PromptColumn { get; init; }

    public string? ResponseColumn { get; init; }

    public string? HistoryColumn { get; init; }

    public string SourcePrefix { get; init; } = "";

    public int? MaxSamples { get; init; }

    public int MaxSourceLength { get; init; } = 1024;

    public int MaxTargetLength { get; init; } = 128;

    public int BatchSize { get; init; } = 8;

    /// <summary>Tokens that the model sees at a time in a text.</summary>
    public int Window { get; init; } = 1024;

    /// <summary>How far the window moves: what it moves over is scored with the rest of the window before it.</summary>
    public int Stride { get; init; } = 512;

    public string? JiebaDictionary { get; init; }

    /// <summary>Where the answers go; null for nowhere.</summary>
    public string? PredictionsFile { get; init; }

    /// <summary>What the command line changes of the options of generation.</summary>
    public required Func<GenerationConfig, GenerationConfig> Configure { get; init; }
}
