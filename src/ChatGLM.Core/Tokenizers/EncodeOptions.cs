namespace ChatGLM.Tokenizers;

/// <summary>How a text is encoded.</summary>
public record EncodeOptions
{
    /// <summary>The defaults, those of Python's <c>tokenizer.encode</c>.</summary>
    public static EncodeOptions Default { get; } = new();

    /// <summary>Add the tokens that the model expects around a text: <c>[gMASK] &lt;sop&gt;</c> behind it (6B) or before it (2 and 3).</summary>
    public bool AddSpecialTokens { get; init; } = true;

    /// <summary>Cut what is longer than <see cref="MaxLength"/>, from the end; of a pair, from whichever is longer.</summary>
    public bool Truncation { get; init; }

    /// <summary>The most tokens of a row, special ones included; null for no limit.</summary>
    public int? MaxLength { get; init; }

    /// <summary>
    /// Treat the names of special tokens in the text as plain text. Python's default, and the default here, is false: a typed
    /// <c>[MASK]</c> becomes the special token in 6B. Chat always treats them as plain text.
    /// </summary>
    public bool SplitSpecialTokens { get; init; }
}
