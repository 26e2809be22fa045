namespace ChatGLM.Tokenizers.SentencePiece;

/// <summary>Splits a normalised text into pieces; an unknown character is a piece of its own with the unknown id.</summary>
internal interface IPieceEncoder
{
    /// <summary>Adds the pieces of <paramref name="text"/>, in order, to <paramref name="output"/>.</summary>
    void Encode(ReadOnlySpan<byte> text, ref PooledList<Piece> output);
}
