using ChatGLM.Generation;

namespace ChatGLM.Models;

/// <summary>The configuration of a ChatGLM-6B model, of either vocabulary (150,528 ids before April 2023, 130,528 since).</summary>
public sealed record ChatGLM6BConfig : ChatGLMConfig
{
    /// <summary>The published 6B model.</summary>
    public ChatGLM6BConfig() => EosTokenIds = [130005];

    internal ChatGLM6BConfig(ConfigReader reader)
        : base(reader)
    {
        VocabSize = reader.Int("vocab_size", 150528, 1, MaxVocabulary);
        InnerHiddenSize = reader.Int("inner_hidden_size", 16384, 1, MaxWidth);
        MaxSequenceLength = reader.Int("max_sequence_length", 2048, 1, MaxLength);
        PositionEncoding2D = reader.Bool("position_encoding_2d", true);
        QuantizationEmbeddings = reader.Bool("quantization_embeddings", false);
        TieWordEmbeddings = reader.Bool("tie_word_embeddings", true);
        BosTokenId = reader.Int("bos_token_id", 150004, 0, int.MaxValue);
        if (EosTokenIds.Count == 0)
            EosTokenIds = [150005];
        MaskTokenId = reader.Int("mask_token_id", 150000, 0, int.MaxValue);
        GMaskTokenId = reader.Int("gmask_token_id", 150001, 0, int.MaxValue);
        PadTokenId = reader.Int("pad_token_id", 0, 0, int.MaxValue);
    }

    /// <summary>The number of token ids.</summary>
    public int VocabSize { get; init; } = 130528;

    /// <summary>The inner width of the feed-forward layers.</summary>
    public int InnerHiddenSize { get; init; } = 16384;

    /// <summary>The most tokens the model was trained on.</summary>
    public int MaxSequenceLength { get; init; } = 2048;

    /// <summary>Whether a token has a position in the context and one in its block (<c>position_encoding_2d</c>).</summary>
    public bool PositionEncoding2D { get; init; } = true;

    /// <inheritdoc/>
    public override bool TieWordEmbeddings { get; init; } = true;

    /// <summary>Whether a quantized model's word embeddings and output layer are quantized too.</summary>
    public bool QuantizationEmbeddings { get; init; }

    /// <summary><c>&lt;sop&gt;</c>: the context ends before it, the answer begins with it.</summary>
    public int BosTokenId { get; init; } = 130004;

    /// <summary><c>[MASK]</c>: a short blank.</summary>
    public int MaskTokenId { get; init; } = 130000;

    /// <summary><c>[gMASK]</c>: a blank at the end, to be filled with text of any length.</summary>
    public int GMaskTokenId { get; init; } = 130001;

    /// <summary><c>&lt;pad&gt;</c>.</summary>
    public int PadTokenId { get; init; } = 3;

    /// <inheritdoc/>
    public override int VocabularySize => VocabSize;

    /// <inheritdoc/>
    public override int MaxPositions => MaxSequenceLength;

    /// <inheritdoc/>
    public override int HeadDim => HiddenSize / NumAttentionHeads;

    /// <inheritdoc/>
    public override int KeyValueHeads => NumAttentionHeads;

    internal override GenerationConfig ToGenerationConfig()
    {
        var options = base.ToGenerationConfig();
        return options with { BosTokenId = options.BosTokenId ?? BosTokenId, PadTokenId = options.PadTokenId ?? PadTokenId };
    }

    internal override void Validate()
    {
        base.Validate();
        Require(VocabSize is >= 1 and <= MaxVocabulary, "vocab_size", $"should be from 1 to {MaxVocabulary}, found {VocabSize}.");
        Require(InnerHiddenSize is >= 1 and <= MaxWidth, "inner_hidden_size", $"should be from 1 to {MaxWidth}, found {InnerHiddenSize}.");
        Require(MaxSequenceLength is >= 1 and <= MaxLength, "max_sequence_length", $"should be from 1 to {MaxLength}, found {MaxSequenceLength}.");
        Require(HiddenSize % NumAttentionHeads == 0, "num_attention_heads", $"should divide hidden_size {HiddenSize}, found {NumAttentionHeads}.");
        var sections = PositionEncoding2D ? 4 : 2;
        Require(HeadDim % sections == 0, "num_attention_heads", $"gives heads of {HeadDim} elements, which rotary positions cannot split into {sections} parts.");
    }

    private protected override IEnumerable<(string Name, object? Value, object? Default)> KnownFields() =>
    [
        .. base.KnownFields(),
        ("vocab_size", VocabSize, null),
        ("inner_hidden_size", InnerHiddenSize, null),
        ("max_sequence_length", MaxSequenceLength, null),
        ("position_encoding_2d", PositionEncoding2D, null),
        ("quantization_embeddings", QuantizationEmbeddings, false),
        ("tie_word_embeddings", TieWordEmbeddings, true),
        ("bos_token_id", BosTokenId, null),
        ("mask_token_id", MaskTokenId, null),
        ("gmask_token_id", GMaskTokenId, null),
        ("pad_token_id", PadTokenId, null),
    ];
}
