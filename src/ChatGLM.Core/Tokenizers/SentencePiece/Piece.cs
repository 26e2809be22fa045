namespace ChatGLM.Tokenizers.SentencePiece;

/// <summary>One piece of an encoded text: its id, and the bytes of the normalised text that it covers.</summary>
/// <param name="Id">The id in the vocabulary.</param>
/// <param name="Start">The first byte.</param>
/// <param name="Length">The number of bytes; several unknown characters in a row make one piece.</param>
internal readonly record struct Piece(int Id, int Start, int Length);
