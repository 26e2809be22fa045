using System.Text;
using ChatGLM.Tokenizers.SentencePiece;

namespace ChatGLM.Tokenizers;

/// <summary>
/// The tokenizer of ChatGLM3-6B: that of ChatGLM2 with four role tokens more. Special tokens decode to their names, and role names in a text
/// become role tokens only where <see cref="TokenizerOptions.EncodeSpecialTokens"/> asks for it.
/// </summary>
public sealed partial class ChatGLM3Tokenizer : ChatGLMTokenizer
{
    private static readonly string[] RoleTokens = ["<|system|>", "<|user|>", "<|assistant|>", "<|observation|>"];

    private readonly AppendedSpecialTokens _special;
    private readonly int[] _prefix;
    private readonly SpecialTokenSplitter? _roleSplitter;

    internal ChatGLM3Tokenizer(TokenizerSource source, bool encodeSpecialTokens)
        : base(source)
    {
        _special = new AppendedSpecialTokens(source, ["[MASK]", "[gMASK]", "[sMASK]", "sop", "eop", .. RoleTokens]);
        _prefix = [_special["[gMASK]"], _special["sop"]];
        _roleSplitter = encodeSpecialTokens ? new SpecialTokenSplitter(RoleTokens) : null;
        CleansUpByDefault = source.Config.GetBool("clean_up_tokenization_spaces", false);
        ChatEosTokenIds = [EosTokenId, _special["<|user|>"], _special["<|observation|>"]];
    }

    /// <inheritdoc/>
    public override ChatGLMGeneration Generation => ChatGLMGeneration.ChatGLM3;

    /// <inheritdoc/>
    public override int VocabSize => _special.Count;

    /// <inheritdoc/>
    public override int BosTokenId => _special.BosId;

    /// <inheritdoc/>
    public override int EosTokenId => _special.EosId;

    /// <inheritdoc/>
    public override int PadTokenId => _special.PadId;

    /// <inheritdoc/>
    public override int UnkTokenId => Model.Vocabulary.UnkId;

    /// <inheritdoc/>
    public override int SopTokenId => _special["sop"];

    /// <inheritdoc/>
    public override int EopTokenId => _special["eop"];

    /// <inheritdoc/>
    public override IReadOnlyList<int> ChatEosTokenIds { get; }

    /// <inheritdoc/>
    public override IReadOnlyList<string> AllSpecialTokens => [];

    /// <inheritdoc/>
    public override IReadOnlyList<int> AllSpecialIds => [];

    /// <summary>The tokens before every text: <c>[gMASK] sop</c>.</summary>
    public IReadOnlyList<int> PrefixTokens => _prefix;

    private protected override bool CleansUpByDefault { get; }

    private protected override bool EncodesRoleNames => _roleSplitter is not null;

    /// <inheritdoc/>
    public override int ConvertTokenToId(string token) => _special.TokenToId(token);

    /// <inheritdoc/>
    public override string ConvertIdToToken(int id) =>
        _special.NameOf(id) ?? (id < 0 || (id < VocabSize && _special.IsSilent(id)) ? "" : Model.IdToPiece(id));

    /// <inheritdoc/>
    public override int[] BuildInputsWithSpecialTokens(ReadOnlySpan<int> ids, ReadOnlySpan<int> pairIds = default, bool hasPair = false) => hasPair
        ? [.. _prefix, .. ids, .. pairIds, EosTokenId]
        : [.. _prefix, .. ids];

    internal override void DecodeToken(int id, bool skipSpecialTokens, PieceDecoder decoder, StringBuilder output) =>
        _special.Decode(id, namesStay: true, decoder, output);

    private protected override bool TryGetCommand(string token, out int id) => _special.TryGetCommand(token, out id);

    private protected override void EncodeText(ReadOnlySpan<char> text, bool plain, ref PooledList<int> ids)
    {
        while (!plain && _roleSplitter is not null && _roleSplitter.Find(text, out var role) is var at and >= 0)
        {
            if (at > 0)
                _special.Encode(text[..at], plain, ref ids);
            ids.Add(_special[role]);
            text = text[(at + role.Length)..];
        }

        if (!text.IsEmpty)
            _special.Encode(text, plain, ref ids);
    }

    private protected override void TokenizeText(ReadOnlySpan<char> text, bool plain, List<string> tokens)
    {
        while (!plain && _roleSplitter is not null && _roleSplitter.Find(text, out var role) is var at and >= 0)
        {
            if (at > 0)
                _special.Tokenize(text[..at], tokens);
            tokens.Add(role);
            text = text[(at + role.Length)..];
        }

        if (!text.IsEmpty)
            _special.Tokenize(text, tokens);
    }

    private protected override BatchEncoding PadRows(IReadOnlyList<int[]> rows, int sequence, BatchEncodeOptions options) =>
        Padding.PadPrefixLm(rows, sequence, PadTokenId);
}
