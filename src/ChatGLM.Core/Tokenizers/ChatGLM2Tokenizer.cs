using System.Text;
using ChatGLM.Tokenizers.SentencePiece;

namespace ChatGLM.Tokenizers;

/// <summary>
/// The tokenizer of ChatGLM2-6B: five special tokens behind the pieces of the model file, <c>[gMASK] sop</c> before the text. Special tokens
/// are never read out of a text, and decode to nothing.
/// </summary>
public sealed partial class ChatGLM2Tokenizer : ChatGLMTokenizer
{
    private readonly AppendedSpecialTokens _special;
    private readonly int[] _prefix;

    internal ChatGLM2Tokenizer(TokenizerSource source)
        : base(source)
    {
        _special = new AppendedSpecialTokens(source, "[MASK]", "[gMASK]", "[sMASK]", "sop", "eop");
        _prefix = [_special["[gMASK]"], _special["sop"]];
        CleansUpByDefault = source.Config.GetBool("clean_up_tokenization_spaces", false);
        ChatEosTokenIds = [EosTokenId];
    }

    /// <inheritdoc/>
    public override ChatGLMGeneration Generation => ChatGLMGeneration.ChatGLM2;

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

    /// <inheritdoc/>
    public override int ConvertTokenToId(string token) => _special.TokenToId(token);

    /// <inheritdoc/>
    public override string ConvertIdToToken(int id) =>
        id < 0 || _special.NameOf(id) is not null || (id < VocabSize && _special.IsSilent(id)) ? "" : Model.IdToPiece(id);

    /// <inheritdoc/>
    public override int[] BuildInputsWithSpecialTokens(ReadOnlySpan<int> ids, ReadOnlySpan<int> pairIds = default, bool hasPair = false) => hasPair
        ? [.. _prefix, .. ids, .. pairIds, EosTokenId]
        : [.. _prefix, .. ids];

    internal override void DecodeToken(int id, bool skipSpecialTokens, PieceDecoder decoder, StringBuilder output) =>
        _special.Decode(id, namesStay: false, decoder, output);

    private protected override bool TryGetCommand(string token, out int id) => _special.TryGetCommand(token, out id);

    private protected override void EncodeText(ReadOnlySpan<char> text, bool plain, ref PooledList<int> ids) => _special.Encode(text, plain, ref ids);

    private protected override void TokenizeText(ReadOnlySpan<char> text, bool plain, List<string> tokens) => _special.Tokenize(text, tokens);

    private protected override BatchEncoding PadRows(IReadOnlyList<int[]> rows, int sequence, BatchEncodeOptions options) =>
        Padding.PadPrefixLm(rows, sequence, PadTokenId);
}
