using ChatGLM.Tokenizers;

namespace ChatGLM.Models;

/// <summary>Turns the tokens of one row into text as they come, whole characters only. The token that ends the answer gives no text.</summary>
internal sealed class TokenTextStream(ChatGLMTokenizer tokenizer, IReadOnlyList<int> eosTokenIds, Action<string> emit)
{
    private readonly StreamingDecoder _decoder = tokenizer.CreateStreamingDecoder();

    /// <summary>Whether to leave out white space before the first visible character, as an answer's post-processing does.</summary>
    public bool TrimsStart { get; init; }

    private bool _hasText;

    public void Append(int row, int token)
    {
        if (row == 0 && !eosTokenIds.Contains(token))
            Emit(_decoder.Append(token));
    }

    public void Flush() => Emit(_decoder.Flush());

    private void Emit(string piece)
    {
        if (TrimsStart && !_hasText)
            piece = piece.TrimStart();
        if (piece.Length == 0)
            return;
        _hasText = true;
        emit(piece);
    }
}
