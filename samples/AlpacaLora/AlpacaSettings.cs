namespace ChatGLM.Samples.AlpacaLora;

/// <summary>What the sample needs to know besides the training arguments.</summary>
internal sealed record AlpacaSettings
{
    public string ModelNameOrPath { get; init; } = DemoSnapshot.Folder;

    public required string DataPath { get; init; }

    /// <summary>Data to evaluate on; null to take some of the training data.</summary>
    public string? EvalDataPath { get; init; }

    /// <summary>How much of the training data is kept for evaluation: below 1 a part, else a number of rows.</summary>
    public double ValSetSize { get; init; } = 0.1;

    public int R { get; init; } = 32;

    public double LoraAlpha { get; init; } = 32;

    public double LoraDropout { get; init; } = 0.1;

    public IReadOnlyList<string> TargetModules { get; init; } = ["query_key_value"];

    /// <summary>The most tokens of a row; longer ones are left out.</summary>
    public int MaxLength { get; init; } = 256;

    public PromptLanguage PromptLanguage { get; init; }

    public int? QuantizationBit { get; init; }

    public bool OverwriteCache { get; init; }
}
