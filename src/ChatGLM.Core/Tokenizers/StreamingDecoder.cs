using System.Text;
using ChatGLM.Tokenizers.SentencePiece;

namespace ChatGLM.Tokenizers;

/// <summary>
/// Decodes ids that come one at a time. Each call returns the text that has become certain: never part of a character, and nothing that a
/// later token could change. All parts joined are what <see cref="ChatGLMTokenizer.Decode"/> makes of all ids. For one text and one thread.
/// </summary>
public sealed class StreamingDecoder
{
    private readonly ChatGLMTokenizer _tokenizer;
    private readonly bool _skipSpecialTokens;
    private readonly PieceDecoder _pieces;
    private readonly TextRewriter[] _rewriters;
    private readonly StringBuilder _text = new();
    private readonly StringBuilder _rewritten = new();

    internal StreamingDecoder(ChatGLMTokenizer tokenizer, DecodeOptions options)
    {
        _tokenizer = tokenizer;
        _skipSpecialTokens = options.SkipSpecialTokens;
        _pieces = new PieceDecoder(tokenizer.Model);
        _rewriters = [.. tokenizer.CreateRewriters(tokenizer.CleansUp(options))];
    }

    /// <summary>Takes the next id.</summary>
    /// <returns>The text that has become certain, often one word or character, or "".</returns>
    public string Append(int id)
    {
        _tokenizer.DecodeToken(id, _skipSpecialTokens, _pieces, _text);

        // A denormaliser (no published ChatGLM has one) looks at the whole text.
        return _tokenizer.Model.Denormalizer is null ? Take(flush: false) : "";
    }

    /// <summary>Takes the next ids.</summary>
    /// <returns>The text that has become certain.</returns>
    public string Append(ReadOnlySpan<int> ids)
    {
        foreach (var id in ids)
            _tokenizer.DecodeToken(id, _skipSpecialTokens, _pieces, _text);
        return _tokenizer.Model.Denormalizer is null ? Take(flush: false) : "";
    }

    /// <summary>Ends the text.</summary>
    /// <returns>What was held back; an unfinished character is U+FFFD now.</returns>
    public string Flush()
    {
        _pieces.Flush(_text);
        if (_tokenizer.Model.Denormalizer is not null)
        {
            var text = _tokenizer.Denormalize(_text.ToString());
            _text.Clear().Append(text);
        }

        return Take(flush: true);
    }

    private string Take(bool flush)
    {
        var (from, to) = (_text, _rewritten);
        foreach (var rewriter in _rewriters)
        {
            foreach (var chunk in from.GetChunks())
                rewriter.Append(chunk.Span, to);
            if (flush)
                rewriter.Flush(to);
            from.Clear();
            (from, to) = (to, from);
        }

        var text = from.Length == 0 ? "" : from.ToString();
        from.Clear();
        return text;
    }
}
