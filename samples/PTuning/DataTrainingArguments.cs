namespace ChatGLM.Samples.PTuning;

/// <summary>Which data, which columns of it and how much (<c>DataTrainingArguments</c> of the scripts).</summary>
internal sealed record DataTrainingArguments
{
    public string? TrainFile { get; init; }

    public string? ValidationFile { get; init; }

    public string? TestFile { get; init; }

    /// <summary>ChatGLM3's demo: <c>multi-turn</c> for conversations with roles and tools, <c>input-output</c> for the columns prompt and response; null for THUDM's earlier script.</summary>
    public string? TrainFormat { get; init; }

    /// <summary>The most tokens of a conversation.</summary>
    public int MaxSeqLength { get; init; } = 1024;

    public string? PromptColumn { get; init; }

    public string? ResponseColumn { get; init; }

    public string? HistoryColumn { get; init; }

    public bool OverwriteCache { get; init; }

    public int? PreprocessingNumWorkers { get; init; }

    public int MaxSourceLength { get; init; } = 1024;

    public int MaxTargetLength { get; init; } = 128;

    public int? ValMaxTargetLength { get; init; }

    public int? MaxTrainSamples { get; init; }

    public int? MaxEvalSamples { get; init; }

    public int? MaxPredictSamples { get; init; }

    public int? NumBeams { get; init; }

    public bool IgnorePadTokenForLoss { get; init; } = true;

    public string SourcePrefix { get; init; } = "";

    /// <summary>A dictionary in jieba's form for ROUGE; the script has no such argument, since jieba brings its own.</summary>
    public string? JiebaDict { get; init; }
}
