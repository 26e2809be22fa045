namespace ChatGLM.Training;

/// <summary>How records become rows: the data arguments of THUDM's <c>ptuning/main.py</c>, with its names and defaults.</summary>
public sealed record Seq2SeqOptions
{
    /// <summary>The column of questions.</summary>
    public string PromptColumn { get; init; } = "content";

    /// <summary>The column of answers.</summary>
    public string ResponseColumn { get; init; } = "summary";

    /// <summary>The column of what a question is about, put on a line behind it where it is not empty (Alpaca's <c>input</c>); null for none. The script has no such argument.</summary>
    public string? InputColumn { get; init; }

    /// <summary>The column of the rounds before, or null.</summary>
    public string? HistoryColumn { get; init; }

    /// <summary>Put before every prompt.</summary>
    public string SourcePrefix { get; init; } = "";

    /// <summary>The most tokens of a prompt.</summary>
    public int MaxSourceLength { get; init; } = 1024;

    /// <summary>The most tokens of an answer.</summary>
    public int MaxTargetLength { get; init; } = 128;

    /// <summary>Whether padding does not count in the loss.</summary>
    public bool IgnorePadTokenForLoss { get; init; } = true;

    /// <summary>Whether training rows are padded to the greatest length as the script does; else a <see cref="DataCollatorForSeq2Seq"/> pads each batch to its longest row, which is faster and
    /// gives other masks.</summary>
    public bool PadToMaxLength { get; init; } = true;
}
