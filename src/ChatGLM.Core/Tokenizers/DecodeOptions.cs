namespace ChatGLM.Tokenizers;

/// <summary>How ids are decoded to text.</summary>
public sealed record DecodeOptions
{
    /// <summary>The defaults, those of Python's <c>tokenizer.decode</c>.</summary>
    public static DecodeOptions Default { get; } = new();

    /// <summary>Leave special tokens out. ChatGLM3 names none as special, so that their names stay, as in Python.</summary>
    public bool SkipSpecialTokens { get; init; }

    /// <summary>Drop the space before punctuation and English short forms; null for the tokenizer's own setting (on in 6B, off in 2 and 3).</summary>
    public bool? CleanUpTokenizationSpaces { get; init; }
}
