using System.Globalization;
using System.Text;
using System.Text.Json;
using ChatGLM.Tokenizers.SentencePiece;

namespace ChatGLM.Tokenizers;

/// <summary>
/// The tokenizer of ChatGLM-6B: special tokens are pieces of the model file, <c>[gMASK] &lt;sop&gt;</c> follows the text, and whitespace is
/// written as tokens. The early vocabulary has 20,000 image tokens before those of text.
/// </summary>
public sealed partial class ChatGLM6BTokenizer : ChatGLMTokenizer
{
    private readonly Dictionary<string, int> _commands = new(StringComparer.Ordinal);
    private readonly SpecialTokenSplitter _splitter;
    private readonly string[] _specialTokens;
    private readonly int[] _specialIds;
    private readonly int _gmaskTokenId;
    private readonly bool _removeSpace;
    private readonly bool _doLowerCase;

    internal ChatGLM6BTokenizer(TokenizerSource source)
        : base(source)
    {
        var config = source.Config;
        NumImageTokens = config.GetInt("num_image_tokens", 20000, 0, 1 << 24);
        _removeSpace = config.GetBool("remove_space", false);
        _doLowerCase = config.GetBool("do_lower_case", false);
        CleansUpByDefault = config.GetBool("clean_up_tokenization_spaces", true);
        var bos = config.GetToken("bos_token", "<sop>");
        var eos = config.GetToken("eos_token", "<eop>");
        var unk = config.GetToken("unk_token", "<unk>");
        var pad = config.GetToken("pad_token", "<pad>");
        var mask = config.GetToken("mask_token", "[MASK]");
        var gmask = config.GetToken("gmask_token", "[gMASK]");
        var end = config.GetToken("end_token", "</s>");
        _specialTokens = [.. new[] { bos, eos, unk, pad, mask }.Distinct()];
        foreach (var token in (string[])[.. _specialTokens, gmask, end, "[sMASK]", "<unused_0>", "<sop>", "<eop>", "<ENC>", "<dBLOCK>"])
        {
            if (Model.Vocabulary.Find(token) is var id and >= 0)
                _commands.TryAdd(token, id + NumImageTokens);
        }

        foreach (var token in (string[])[bos, eos, unk, pad, mask, gmask])
        {
            if (!_commands.ContainsKey(token))
                throw source.Error($"The vocabulary has no '{token}': expected the special tokens of ChatGLM-6B. Check that this is ChatGLM-6B's ice_text.model.");
        }

        _commands.TryAdd("[MASK]", _commands[mask]);
        _commands.TryAdd("[gMASK]", _commands[gmask]);
        (BosTokenId, EosTokenId, UnkTokenId, PadTokenId) = (_commands[bos], _commands[eos], _commands[unk], _commands[pad]);
        (MaskId, _gmaskTokenId) = (_commands[mask], _commands[gmask]);
        EndTokenId = _commands.TryGetValue(end, out var endId) ? endId : null;
        _specialIds = [.. _specialTokens.Select(token => _commands[token])];
        _splitter = new SpecialTokenSplitter(_specialTokens);
        ChatEosTokenIds = [EosTokenId];
    }

    /// <inheritdoc/>
    public override ChatGLMGeneration Generation => ChatGLMGeneration.ChatGLM6B;

    /// <summary>How many image tokens stand before those of text: 0, or 20,000 in the early vocabulary.</summary>
    public int NumImageTokens { get; }

    /// <inheritdoc/>
    public override int VocabSize => NumImageTokens + Model.Vocabulary.Count;

    /// <inheritdoc/>
    public override int BosTokenId { get; }

    /// <inheritdoc/>
    public override int EosTokenId { get; }

    /// <inheritdoc/>
    public override int PadTokenId { get; }

    /// <inheritdoc/>
    public override int UnkTokenId { get; }

    /// <inheritdoc/>
    public override int SopTokenId => BosTokenId;

    /// <inheritdoc/>
    public override int EopTokenId => EosTokenId;

    /// <summary><c>&lt;/s&gt;</c>: the end of a context; null when the vocabulary has none.</summary>
    public int? EndTokenId { get; }

    /// <inheritdoc/>
    public override IReadOnlyList<int> ChatEosTokenIds { get; }

    /// <inheritdoc/>
    public override IReadOnlyList<string> AllSpecialTokens => _specialTokens;

    /// <inheritdoc/>
    public override IReadOnlyList<int> AllSpecialIds => _specialIds;

    private protected override bool CleansUpByDefault { get; }

    private int MaskId { get; }

    /// <inheritdoc/>
    public override int ConvertTokenToId(string token)
    {
        ArgumentNullException.ThrowIfNull(token);
        return token.StartsWith("<image_", StringComparison.Ordinal) && token.EndsWith('>')
            && int.TryParse(token.AsSpan(7, token.Length - 8), NumberStyles.None, CultureInfo.InvariantCulture, out var image)
            ? image
            : Model.PieceToId(token) + NumImageTokens;
    }

    /// <inheritdoc/>
    public override string ConvertIdToToken(int id) => id >= 0 && id < NumImageTokens
        ? string.Create(CultureInfo.InvariantCulture, $"<image_{id}>")
        : Model.IdToPiece(id - NumImageTokens);

    /// <inheritdoc/>
    public override int[] BuildInputsWithSpecialTokens(ReadOnlySpan<int> ids, ReadOnlySpan<int> pairIds = default, bool hasPair = false) => hasPair
        ? [.. ids, _gmaskTokenId, BosTokenId, .. pairIds, EosTokenId]
        : [.. ids, _gmaskTokenId, BosTokenId];

    internal override void DecodeToken(int id, bool skipSpecialTokens, PieceDecoder decoder, StringBuilder output)
    {
        if (id == PadTokenId || (skipSpecialTokens && _specialIds.AsSpan().Contains(id)))
            return;
        if (id >= 0 && id < NumImageTokens)
        {
            decoder.AppendLiteral(ConvertIdToToken(id), output);
            return;
        }

        if (id < 0)
            Model.CheckId(id);
        if (id < VocabSize)
            decoder.Append(id - NumImageTokens, output);
    }

    internal override IEnumerable<TextRewriter> CreateRewriters(bool cleanUp) => [BlankTokens.CreateRewriter(), .. base.CreateRewriters(cleanUp)];

    private protected override string PostProcess(string text, bool cleanUp) => base.PostProcess(BlankTokens.Decode(text), cleanUp);

    private protected override bool TryGetCommand(string token, out int id) => _commands.TryGetValue(token, out id);

    private protected override void EncodeText(ReadOnlySpan<char> text, bool plain, ref PooledList<int> ids)
    {
        foreach (var part in new Parts(text, plain ? null : _splitter))
        {
            if (part.Special is { } special)
            {
                ids.Add(_commands[special]);
                continue;
            }

            var utf8 = new PooledList<byte>((part.Text.Length * 3) + 16);
            try
            {
                BlankTokens.Encode(Preprocess(part.Text), ref utf8);
                var start = ids.Count;
                Model.EncodeAsIds(utf8.Span, ref ids);
                if (NumImageTokens > 0)
                {
                    foreach (ref var id in ids.Span[start..])
                        id += NumImageTokens;
                }
            }
            finally
            {
                utf8.Dispose();
            }
        }
    }

    private protected override void TokenizeText(ReadOnlySpan<char> text, bool plain, List<string> tokens)
    {
        foreach (var part in new Parts(text, plain ? null : _splitter))
        {
            if (part.Special is { } special)
            {
                tokens.Add(special);
                continue;
            }

            var utf8 = new PooledList<byte>((part.Text.Length * 3) + 16);
            try
            {
                BlankTokens.Encode(Preprocess(part.Text), ref utf8);
                Model.EncodeAsPieces(utf8.Span, tokens);
            }
            finally
            {
                utf8.Dispose();
            }
        }
    }

    private protected override BatchEncoding PadRows(IReadOnlyList<int[]> rows, int sequence, BatchEncodeOptions options) =>
        options.Padding == PaddingStrategy.DoNotPad && options.MaxLength is null
            ? Padding.IdsOnly(rows, sequence, PadTokenId)
            : Padding.PadGlm(rows, sequence, PadTokenId, BosTokenId, MaskId, _gmaskTokenId);

    private ReadOnlySpan<char> Preprocess(ReadOnlySpan<char> text)
    {
        if (_removeSpace)
            text = string.Join(' ', text.ToString().Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        return _doLowerCase ? text.ToString().ToLowerInvariant() : text;
    }

    /// <summary>The text between special tokens, and the special tokens, which swallow the whitespace on both sides.</summary>
    private ref struct Parts(ReadOnlySpan<char> text, SpecialTokenSplitter? splitter)
    {
        private readonly SpecialTokenSplitter? _splitter = splitter;
        private ReadOnlySpan<char> _rest = text;
        private string? _pendingSpecial;
        private bool _afterSpecial;

        public ReadOnlySpan<char> Text { get; private set; }

        public string? Special { get; private set; }

        public readonly Parts Current => this;

        public readonly Parts GetEnumerator() => this;

        public bool MoveNext()
        {
            while (true)
            {
                if (_pendingSpecial is { } pending)
                {
                    (Special, _pendingSpecial, _afterSpecial) = (pending, null, true);
                    return true;
                }

                if (_rest.IsEmpty)
                    return false;
                var token = "";
                var at = _splitter is null ? -1 : _splitter.Find(_rest, out token);
                var part = at < 0 ? _rest : _rest[..at];
                if (_afterSpecial)
                    part = PythonText.TrimStart(part);
                if (at >= 0)
                {
                    part = PythonText.TrimEnd(part);
                    _pendingSpecial = token;
                    _rest = _rest[(at + token.Length)..];
                }
                else
                {
                    _rest = default;
                }

                (Special, _afterSpecial) = (null, false);
                Text = part;
                if (!part.IsEmpty)
                    return true;
            }
        }
    }
}
