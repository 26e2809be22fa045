using System.Text;
using ChatGLM.Tokenizers.SentencePiece;

namespace ChatGLM.Tokenizers;

/// <summary>The special tokens that ChatGLM2 and 3 number behind the pieces of their model file, and how pieces and they are one vocabulary.</summary>
internal sealed class AppendedSpecialTokens
{
    private readonly SentencePieceModel _model;
    private readonly string[] _names;
    private readonly Dictionary<string, int> _ids = new(StringComparer.Ordinal);

    /// <summary>Text pieces spelt like a special token; Python then gives them the special token's id.</summary>
    private readonly Dictionary<int, int> _spelledLike = [];

    public AppendedSpecialTokens(TokenizerSource source, params string[] names)
    {
        _model = source.Model;
        _names = names;
        var vocabulary = _model.Vocabulary;
        for (var i = 0; i < names.Length; i++)
        {
            _ids.Add(names[i], vocabulary.Count + i);
            if (vocabulary.Find(names[i]) is var piece and >= 0)
                _spelledLike.Add(piece, vocabulary.Count + i);
        }

        BosId = FindOrFail(source, "<s>");
        EosId = FindOrFail(source, "</s>");
        PadId = vocabulary.UnkId;
    }

    public int Count => _model.Vocabulary.Count + _names.Length;

    public int BosId { get; }

    public int EosId { get; }

    public int PadId { get; }

    public int this[string name] => _ids[name];

    public bool TryGetCommand(string token, out int id)
    {
        switch (token)
        {
            case "<bos>":
                id = BosId;
                return true;
            case "<eos>":
                id = EosId;
                return true;
            case "<pad>":
                id = PadId;
                return true;
            default:
                return _ids.TryGetValue(token, out id);
        }
    }

    public int TokenToId(string token) => _ids.TryGetValue(token, out var id) ? id : _model.PieceToId(token);

    /// <summary>The name of a special token that was appended, or null.</summary>
    public string? NameOf(int id) => id >= _model.Vocabulary.Count && id < Count ? _names[id - _model.Vocabulary.Count] : null;

    /// <summary>Whether Python has no text at all for an id: start, end and padding, and what is not in the vocabulary.</summary>
    public bool IsSilent(int id) => id < 0 || id >= Count || id == BosId || id == EosId || id == PadId;

    public void Encode(ReadOnlySpan<char> text, bool plain, ref PooledList<int> ids)
    {
        var utf8 = new PooledList<byte>((text.Length * 3) + 16);
        try
        {
            Utf8Text.Append(text, ref utf8);
            var start = ids.Count;
            _model.EncodeAsIds(utf8.Span, ref ids);
            if (plain || _spelledLike.Count == 0)
                return;
            foreach (ref var id in ids.Span[start..])
            {
                if (_spelledLike.TryGetValue(id, out var special))
                    id = special;
            }
        }
        finally
        {
            utf8.Dispose();
        }
    }

    public void Tokenize(ReadOnlySpan<char> text, List<string> tokens)
    {
        var utf8 = new PooledList<byte>((text.Length * 3) + 16);
        try
        {
            Utf8Text.Append(text, ref utf8);
            _model.EncodeAsPieces(utf8.Span, tokens);
        }
        finally
        {
            utf8.Dispose();
        }
    }

    public void Decode(int id, bool namesStay, PieceDecoder decoder, StringBuilder output)
    {
        if (NameOf(id) is { } name)
            decoder.AppendLiteral(namesStay ? name : "", output);
        else if (IsSilent(id))
            decoder.AppendLiteral("", output);
        else
            decoder.Append(id, output);
    }

    private int FindOrFail(TokenizerSource source, string piece) => _model.Vocabulary.Find(piece) is var id and >= 0
        ? id
        : throw source.Error($"The vocabulary has no '{piece}': expected that of ChatGLM2 or ChatGLM3. Check that this is the model's own tokenizer.model.");
}
