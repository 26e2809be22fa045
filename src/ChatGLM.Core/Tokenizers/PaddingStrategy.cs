namespace ChatGLM.Tokenizers;

/// <summary>How far the rows of a batch are padded, on the left.</summary>
public enum PaddingStrategy
{
    /// <summary>Not at all: all rows must have the same length.</summary>
    DoNotPad,

    /// <summary>To the longest row.</summary>
    Longest,

    /// <summary>To <see cref="EncodeOptions.MaxLength"/>.</summary>
    MaxLength,
}
