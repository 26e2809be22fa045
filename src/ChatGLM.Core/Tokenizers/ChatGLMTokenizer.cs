using System.Globalization;
using System.Text;
using ChatGLM.Tokenizers.SentencePiece;

namespace ChatGLM.Tokenizers;

/// <summary>
/// Turns text into token ids and back, as the Python tokenizer of the same generation does: special tokens, pairs, truncation, left
/// padding, chat prompts. Immutable, and safe to use from several threads. Opened by <see cref="AutoTokenizer"/>.
/// </summary>
public abstract partial class ChatGLMTokenizer
{
    private readonly TokenizerSource _source;

    private protected ChatGLMTokenizer(TokenizerSource source)
    {
        _source = source;
        Model = source.Model;
    }

    /// <summary>The generation whose rules this tokenizer follows.</summary>
    public abstract ChatGLMGeneration Generation { get; }

    /// <summary>Where the tokenizer comes from: <c>name_or_path</c> of its configuration, else the folder.</summary>
    public string NameOrPath => _source.NameOrPath;

    /// <summary>The number of ids: those of the model file and those added to it. A model's table may have more rows.</summary>
    public abstract int VocabSize { get; }

    /// <summary>Starts an answer (6B: <c>&lt;sop&gt;</c>; 2 and 3: <c>&lt;s&gt;</c>, unused in chat).</summary>
    public abstract int BosTokenId { get; }

    /// <summary>Ends an answer.</summary>
    public abstract int EosTokenId { get; }

    /// <summary>Fills a short row.</summary>
    public abstract int PadTokenId { get; }

    /// <summary>Stands for what the vocabulary does not hold.</summary>
    public abstract int UnkTokenId { get; }

    /// <summary><c>[MASK]</c>: a short blank to fill.</summary>
    public int MaskTokenId => GetCommand("[MASK]");

    /// <summary><c>[gMASK]</c>: the answer to come.</summary>
    public int GMaskTokenId => GetCommand("[gMASK]");

    /// <summary>Start of a piece of text to write.</summary>
    public abstract int SopTokenId { get; }

    /// <summary>End of a piece of text that was written.</summary>
    public abstract int EopTokenId { get; }

    /// <summary>The ids that end an answer in chat.</summary>
    public abstract IReadOnlyList<int> ChatEosTokenIds { get; }

    /// <summary>The tokens that Python lists as special: what <see cref="DecodeOptions.SkipSpecialTokens"/> leaves out.</summary>
    public abstract IReadOnlyList<string> AllSpecialTokens { get; }

    /// <summary>The ids of <see cref="AllSpecialTokens"/>.</summary>
    public abstract IReadOnlyList<int> AllSpecialIds { get; }

    /// <summary>The number of special tokens that encoding adds to a text, or to a pair.</summary>
    /// <param name="pair">Whether a second text is given.</param>
    public int NumSpecialTokensToAdd(bool pair = false) => pair ? 3 : 2;

    /// <summary>A text that is the same for tokenizers that give the same ids: the generation, and a hash of the model file and the configuration. What is kept of tokenized data goes by it.</summary>
    public string Fingerprint => $"{Generation}:{_source.Hash()}{(EncodesRoleNames ? ":roles" : "")}";

    internal SentencePieceModel Model { get; }

    /// <summary>Whether role names in a text become role tokens.</summary>
    private protected virtual bool EncodesRoleNames => false;

    /// <summary>The setting of the snapshot for <see cref="DecodeOptions.CleanUpTokenizationSpaces"/>.</summary>
    private protected abstract bool CleansUpByDefault { get; }

    /// <summary>The id of a special token by its name, such as <c>[gMASK]</c> or, in ChatGLM3, <c>&lt;|user|&gt;</c>.</summary>
    /// <exception cref="TokenizerException">This generation has no such token.</exception>
    public int GetCommand(string token) => TryGetCommand(token, out var id)
        ? id
        : throw new TokenizerException($"'{token}' is no special token of {Generation}. Use the names of this generation's special tokens.");

    /// <summary>The id of a token; the unknown id when the vocabulary does not hold it.</summary>
    public abstract int ConvertTokenToId(string token);

    /// <summary>The ids of tokens; the unknown id for each that the vocabulary does not hold.</summary>
    public int[] ConvertTokensToIds(IEnumerable<string> tokens) => [.. tokens.Select(ConvertTokenToId)];

    /// <summary>The token with an id, as text.</summary>
    /// <exception cref="TokenizerException">There is no such id.</exception>
    public abstract string ConvertIdToToken(int id);

    /// <summary>The tokens with these ids, as text.</summary>
    /// <exception cref="TokenizerException">There is no such id.</exception>
    public string[] ConvertIdsToTokens(ReadOnlySpan<int> ids)
    {
        var tokens = new string[ids.Length];
        for (var i = 0; i < ids.Length; i++)
            tokens[i] = ConvertIdToToken(ids[i]);
        return tokens;
    }

    /// <summary>Splits a text into tokens.</summary>
    /// <param name="text">Any text; lone surrogates count as U+FFFD.</param>
    /// <param name="options">Only <see cref="EncodeOptions.SplitSpecialTokens"/> matters here.</param>
    public string[] Tokenize(string text, EncodeOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(text);
        var tokens = new List<string>();
        TokenizeText(text, (options ?? EncodeOptions.Default).SplitSpecialTokens, tokens);
        return [.. tokens];
    }

    /// <summary>Encodes a text, or a pair of texts, to ids.</summary>
    /// <param name="text">Any text; lone surrogates count as U+FFFD.</param>
    /// <param name="pair">A second text that follows the first, or null.</param>
    /// <param name="options">Null for Python's defaults.</param>
    public int[] Encode(string text, string? pair = null, EncodeOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(text);
        options ??= EncodeOptions.Default;
        var first = new PooledList<int>((text.Length / 2) + 16);
        var second = new PooledList<int>(((pair?.Length ?? 0) / 2) + 16);
        try
        {
            EncodeText(text, options.SplitSpecialTokens, ref first);
            if (pair is not null)
                EncodeText(pair, options.SplitSpecialTokens, ref second);
            if (options is { Truncation: true, MaxLength: { } maxLength })
                Truncate(ref first, ref second, pair is not null, maxLength, options.AddSpecialTokens);
            return options.AddSpecialTokens
                ? BuildInputsWithSpecialTokens(first.Span, second.Span, pair is not null)
                : [.. first.Span, .. second.Span];
        }
        finally
        {
            first.Dispose();
            second.Dispose();
        }
    }

    /// <summary>Encodes texts into one batch, padded on the left as the options say.</summary>
    public BatchEncoding EncodeBatch(IReadOnlyList<string> texts, BatchEncodeOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(texts);
        options ??= BatchEncodeOptions.Default;
        return Pad([.. texts.Select(text => Encode(text, null, options))], options);
    }

    /// <summary>Encodes pairs of texts into one batch, padded on the left as the options say.</summary>
    public BatchEncoding EncodeBatch(IReadOnlyList<(string Text, string? Pair)> pairs, BatchEncodeOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(pairs);
        options ??= BatchEncodeOptions.Default;
        return Pad([.. pairs.Select(pair => Encode(pair.Text, pair.Pair, options))], options);
    }

    /// <summary>Makes one batch of rows of ids: pads them on the left, and adds attention mask and position ids.</summary>
    /// <param name="rows">The ids of each row, special tokens included.</param>
    /// <param name="options">Padding, length and multiple; null for no padding.</param>
    /// <exception cref="TokenizerException">The rows differ in length and are not to be padded, or one is longer than the length to pad to.</exception>
    public BatchEncoding Pad(IReadOnlyList<int[]> rows, BatchEncodeOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(rows);
        options ??= BatchEncodeOptions.Default;
        var sequence = rows.Count == 0 ? 0 : rows.Max(row => row.Length);
        if (options is { Padding: PaddingStrategy.MaxLength, MaxLength: { } maxLength })
            sequence = maxLength;
        if (options.Padding != PaddingStrategy.DoNotPad && options.PadToMultipleOf is { } multiple)
        {
            ArgumentOutOfRangeException.ThrowIfNegativeOrZero(multiple, nameof(options.PadToMultipleOf));
            sequence = (int)Math.Min(int.MaxValue, ((long)sequence + multiple - 1) / multiple * multiple);
        }

        // ChatGLM-6B's mask has an element for every two tokens of a row.
        var elements = (double)rows.Count * sequence * (Generation == ChatGLMGeneration.ChatGLM6B ? sequence : 1);
        if (sequence < 0 || elements > Array.MaxLength)
        {
            throw new TokenizerException(string.Create(
                CultureInfo.InvariantCulture,
                $"A batch of {rows.Count} rows of {sequence} tokens needs arrays of {elements:0} elements, expected 0 to {Array.MaxLength}. Set a MaxLength with Truncation, or give fewer texts at a time."));
        }

        for (var i = 0; i < rows.Count; i++)
        {
            if (rows[i].Length > sequence || (rows[i].Length < sequence && options.Padding == PaddingStrategy.DoNotPad))
            {
                throw new TokenizerException(string.Create(
                    CultureInfo.InvariantCulture,
                    $"Row {i} does not fit into one batch: expected {sequence} tokens, found {rows[i].Length}. Set Padding, or Truncation with MaxLength."));
            }
        }

        return PadRows(rows, sequence, options);
    }

    /// <summary>Puts the special tokens of this generation around the ids of a text or of a pair.</summary>
    /// <param name="ids">The ids of the text.</param>
    /// <param name="pairIds">The ids of the second text.</param>
    /// <param name="hasPair">Whether there is a second text, even an empty one.</param>
    public abstract int[] BuildInputsWithSpecialTokens(ReadOnlySpan<int> ids, ReadOnlySpan<int> pairIds = default, bool hasPair = false);

    /// <summary>Decodes ids to text. Ids beyond the vocabulary, which a model's padded table can produce, stand for nothing.</summary>
    public string Decode(ReadOnlySpan<int> ids, DecodeOptions? options = null)
    {
        options ??= DecodeOptions.Default;
        var decoder = new PieceDecoder(Model);
        var output = new StringBuilder(ids.Length * 4);
        foreach (var id in ids)
            DecodeToken(id, options.SkipSpecialTokens, decoder, output);
        decoder.Flush(output);
        var text = Denormalize(output.ToString());
        return PostProcess(text, options.CleanUpTokenizationSpaces ?? CleansUpByDefault);
    }

    /// <summary>A decoder for ids that come one at a time, as a model writes them.</summary>
    public StreamingDecoder CreateStreamingDecoder(DecodeOptions? options = null) => new(this, options ?? DecodeOptions.Default);

    /// <summary>
    /// Writes the model file and <c>tokenizer_config.json</c> so that this library and Python load them again. Each file is written beside
    /// and renamed into place.
    /// </summary>
    /// <param name="folder">The folder, made when it is not there.</param>
    public void SavePretrained(string folder) => _source.Save(folder, this);

    internal bool CleansUp(DecodeOptions options) => options.CleanUpTokenizationSpaces ?? CleansUpByDefault;

    internal string Denormalize(string text)
    {
        if (Model.Denormalizer is not { } denormalizer || text.Length == 0)
            return text;
        var output = new PooledList<byte>(text.Length * 2);
        try
        {
            denormalizer.Normalize(Encoding.UTF8.GetBytes(text), ref output);
            return Encoding.UTF8.GetString(output.Span);
        }
        finally
        {
            output.Dispose();
        }
    }

    internal abstract void DecodeToken(int id, bool skipSpecialTokens, PieceDecoder decoder, StringBuilder output);

    /// <summary>The steps between the pieces' text and the decoded text, in order; new ones for each text.</summary>
    internal virtual IEnumerable<TextRewriter> CreateRewriters(bool cleanUp) => cleanUp ? CleanUpRules.CreateRewriters() : [];

    private protected abstract bool TryGetCommand(string token, out int id);

    private protected abstract void EncodeText(ReadOnlySpan<char> text, bool plain, ref PooledList<int> ids);

    private protected abstract void TokenizeText(ReadOnlySpan<char> text, bool plain, List<string> tokens);

    private protected abstract BatchEncoding PadRows(IReadOnlyList<int[]> rows, int sequence, BatchEncodeOptions options);

    private protected virtual string PostProcess(string text, bool cleanUp) => cleanUp ? CleanUpRules.Apply(text) : text;

    private void Truncate(ref PooledList<int> first, ref PooledList<int> second, bool hasPair, int maxLength, bool addSpecialTokens)
    {
        var excess = first.Count + second.Count + (addSpecialTokens ? NumSpecialTokensToAdd(hasPair) : 0) - maxLength;
        if (excess <= 0)
            return;
        if (!hasPair)
        {
            // A text that would vanish altogether is left alone, as in Python.
            if (first.Count > excess)
                first.Truncate(first.Count - excess);
            return;
        }

        var (a, b) = (first.Count, second.Count);
        for (; excess > 0 && (a > 0 || b > 0); excess--)
        {
            if (a > b)
                a--;
            else
                b--;
        }

        first.Truncate(a);
        second.Truncate(b);
    }
}
