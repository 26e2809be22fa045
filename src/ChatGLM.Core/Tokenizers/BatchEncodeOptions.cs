namespace ChatGLM.Tokenizers;

/// <summary>How several texts are encoded into one batch.</summary>
public sealed record BatchEncodeOptions : EncodeOptions
{
    /// <summary>The defaults: no padding.</summary>
    public static new BatchEncodeOptions Default { get; } = new();

    /// <summary>How far the rows are padded, on the left.</summary>
    public PaddingStrategy Padding { get; init; }

    /// <summary>Round the padded length up to a multiple of this.</summary>
    public int? PadToMultipleOf { get; init; }
}
