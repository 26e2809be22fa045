namespace ChatGLM.Training;

/// <summary>How conversations become rows: the data arguments of ChatGLM3's fine-tuning demos, with their names and defaults.</summary>
public sealed record ConversationOptions
{
    /// <summary>The column of the messages.</summary>
    public string ConversationsColumn { get; init; } = "conversations";

    /// <summary>The column of the tools that the assistant may call; it can be missing.</summary>
    public string ToolsColumn { get; init; } = "tools";

    /// <summary>The most tokens of a training row; what is longer is cut at its end. (<c>finetune_demo</c> has the sum of its two lengths and one more.)</summary>
    public int MaxSeqLength { get; init; } = 1024;

    /// <summary>The most tokens of an evaluation prompt, before the assistant's role token.</summary>
    public int MaxInputLength { get; init; } = 256;

    /// <summary>The most tokens of an expected answer in evaluation.</summary>
    public int MaxOutputLength { get; init; } = 512;

    /// <summary>Whether training rows are padded to <see cref="MaxSeqLength"/> as <c>finetune_chatmodel_demo</c> does; else a <see cref="DataCollatorForSeq2Seq"/> pads each batch to its longest row,
    /// as <c>finetune_demo</c> does.</summary>
    public bool PadToMaxLength { get; init; }
}
