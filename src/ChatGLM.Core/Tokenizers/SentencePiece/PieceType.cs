namespace ChatGLM.Tokenizers.SentencePiece;

/// <summary>What a piece of the vocabulary is; the values are those of the model file.</summary>
internal enum PieceType : byte
{
    /// <summary>A piece of text.</summary>
    Normal = 1,

    /// <summary>Stands for whatever the vocabulary does not hold.</summary>
    Unknown = 2,

    /// <summary>A marker such as the end of a sentence, which no text ever encodes to.</summary>
    Control = 3,

    /// <summary>Text that is always one piece, whatever stands beside it.</summary>
    UserDefined = 4,

    /// <summary>A piece that encoding may not use.</summary>
    Unused = 5,

    /// <summary>One byte of a character that the vocabulary does not hold.</summary>
    Byte = 6,
}
