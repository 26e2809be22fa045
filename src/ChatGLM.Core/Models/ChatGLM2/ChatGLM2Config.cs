namespace ChatGLM.Models;

/// <summary>The configuration of a ChatGLM2-6B or ChatGLM3-6B model, and of those that share their code.</summary>
public sealed record ChatGLM2Config : ChatGLMConfig
{
    /// <summary>The published ChatGLM2-6B and ChatGLM3-6B models.</summary>
    public ChatGLM2Config() => EosTokenIds = [2];

    internal ChatGLM2Config(ConfigReader reader)
        : base(reader)
    {
        PaddedVocabSize = reader.Int("padded_vocab_size", 65024, 1, MaxVocabulary);
        FfnHiddenSize = reader.Int("ffn_hidden_size", 13696, 1, MaxWidth);
        KvChannels = reader.OptionalInt("kv_channels", 1, MaxWidth) ?? (reader.Has("hidden_size") || reader.Has("num_attention_heads") ? Math.Max(1, HiddenSize / NumAttentionHeads) : 128);
        SeqLength = reader.Int("seq_length", 2048, 1, MaxLength);
        HiddenDropout = reader.Double("hidden_dropout", 0, 0, 1);
        AttentionDropout = reader.Double("attention_dropout", 0, 0, 1);
        ClassifierDropout = reader.OptionalDouble("classifier_dropout", 0, 1);
        Rmsnorm = reader.Bool("rmsnorm", true);
        ApplyResidualConnectionPostLayernorm = reader.Bool("apply_residual_connection_post_layernorm", false);
        PostLayerNorm = reader.Bool("post_layer_norm", true);
        AddBiasLinear = reader.Bool("add_bias_linear", false);
        AddQkvBias = reader.Bool("add_qkv_bias", false);
        MultiQueryAttention = reader.Bool("multi_query_attention", false);
        MultiQueryGroupNum = reader.Int("multi_query_group_num", 1, 1, MaxHeads);
        ApplyQueryKeyLayerScaling = reader.Bool("apply_query_key_layer_scaling", true);
        RopeRatio = reader.Double("rope_ratio", 1, 1e-3, 1e6);
        RopeScaling = reader.String(ScalingField) switch
        {
            null => ScalingOf(NameOrPath),
            "positions" => RopeScaling.DividePositions,
            "base" => RopeScaling.MultiplyBase,
            var other => throw new ConfigException(reader.Source, ScalingField, $"should be positions or base, found '{other}'."),
        };
        TieWordEmbeddings = reader.Bool("tie_word_embeddings", false);
    }

    /// <summary>This library's own field of config.json.</summary>
    private const string ScalingField = "rope_ratio_scales";

    /// <summary>The number of token ids.</summary>
    public int PaddedVocabSize { get; init; } = 65024;

    /// <summary>The inner width of the gated feed-forward layers.</summary>
    public int FfnHiddenSize { get; init; } = 13696;

    /// <summary>The elements of one head.</summary>
    public int KvChannels { get; init; } = 128;

    /// <summary>The most positions the rotary table has.</summary>
    public int SeqLength { get; init; } = 32768;

    /// <summary>Dropout of what each sublayer adds, in training.</summary>
    public double HiddenDropout { get; init; }

    /// <summary>Dropout of the attention probabilities, in training.</summary>
    public double AttentionDropout { get; init; }

    /// <summary>Dropout before the classifier head, in training; null for none.</summary>
    public double? ClassifierDropout { get; init; }

    /// <summary>RMSNorm instead of LayerNorm.</summary>
    public bool Rmsnorm { get; init; } = true;

    /// <summary>Whether the residual is taken after the normalisation instead of before it.</summary>
    public bool ApplyResidualConnectionPostLayernorm { get; init; }

    /// <summary>Whether there is a normalisation after the last layer.</summary>
    public bool PostLayerNorm { get; init; } = true;

    /// <summary>Whether every linear layer has a bias.</summary>
    public bool AddBiasLinear { get; init; }

    /// <summary>Whether the fused projection of query, key and value has a bias.</summary>
    public bool AddQkvBias { get; init; } = true;

    /// <summary>Whether groups of query heads share a key and value head.</summary>
    public bool MultiQueryAttention { get; init; } = true;

    /// <summary>How many key and value heads there are with <see cref="MultiQueryAttention"/>.</summary>
    public int MultiQueryGroupNum { get; init; } = 2;

    /// <summary>Divides the scores by the layer's number and multiplies them again: neutral in float32.</summary>
    public bool ApplyQueryKeyLayerScaling { get; init; } = true;

    /// <summary>The stretch of the rotary positions of the -32k models; 1 for none.</summary>
    public double RopeRatio { get; init; } = 1;

    /// <summary>What <see cref="RopeRatio"/> does. The published sources differ: ChatGLM2's code divides positions by it, ChatGLM3's multiplies the base. It is decided from
    /// <c>_name_or_path</c> (a name with "chatglm2" or "codegeex2" divides, everything else multiplies); set it where the name has been lost. A value that the name does not tell is saved
    /// as <c>rope_ratio_scales</c>, "positions" or "base", which Python leaves alone.</summary>
    public RopeScaling RopeScaling { get; init; } = RopeScaling.MultiplyBase;

    /// <inheritdoc/>
    public override bool TieWordEmbeddings { get; init; }

    /// <inheritdoc/>
    public override int VocabularySize => PaddedVocabSize;

    /// <inheritdoc/>
    public override int MaxPositions => SeqLength;

    /// <inheritdoc/>
    public override int HeadDim => KvChannels;

    /// <inheritdoc/>
    public override int KeyValueHeads => MultiQueryAttention ? MultiQueryGroupNum : NumAttentionHeads;

    internal override void Validate()
    {
        base.Validate();
        Require(PaddedVocabSize is >= 1 and <= MaxVocabulary, "padded_vocab_size", $"should be from 1 to {MaxVocabulary}, found {PaddedVocabSize}.");
        Require(FfnHiddenSize is >= 1 and <= MaxWidth, "ffn_hidden_size", $"should be from 1 to {MaxWidth}, found {FfnHiddenSize}.");
        Require(SeqLength is >= 1 and <= MaxLength, "seq_length", $"should be from 1 to {MaxLength}, found {SeqLength}.");
        Require(KvChannels >= 4, "kv_channels", $"should be at least 4, half of which is rotated in pairs, found {KvChannels}.");
        Require((long)KvChannels * (NumAttentionHeads + (2L * KeyValueHeads)) <= 4 * MaxWidth, "kv_channels", $"{KvChannels} times the number of heads is too wide.");
        if (MultiQueryAttention)
            Require(MultiQueryGroupNum >= 1 && NumAttentionHeads % MultiQueryGroupNum == 0, "multi_query_group_num", $"should divide num_attention_heads {NumAttentionHeads}, found {MultiQueryGroupNum}.");
        Require(HiddenDropout is >= 0 and < 1, "hidden_dropout", "should be at least 0 and less than 1.");
        Require(AttentionDropout is >= 0 and < 1, "attention_dropout", "should be at least 0 and less than 1.");
        Require(ClassifierDropout is null or (>= 0 and < 1), "classifier_dropout", "should be at least 0 and less than 1.");
        Require(RopeRatio is >= 1e-3 and <= 1e6, "rope_ratio", "should be from 0.001 to 1000000.");
    }

    private protected override IEnumerable<(string Name, object? Value, object? Default)> KnownFields() =>
    [
        .. base.KnownFields(),
        ("padded_vocab_size", PaddedVocabSize, null),
        ("ffn_hidden_size", FfnHiddenSize, null),
        ("kv_channels", KvChannels, null),
        ("seq_length", SeqLength, null),
        ("hidden_dropout", HiddenDropout, null),
        ("attention_dropout", AttentionDropout, null),
        ("classifier_dropout", ClassifierDropout, null),
        ("rmsnorm", Rmsnorm, null),
        ("apply_residual_connection_post_layernorm", ApplyResidualConnectionPostLayernorm, null),
        ("post_layer_norm", PostLayerNorm, null),
        ("add_bias_linear", AddBiasLinear, null),
        ("add_qkv_bias", AddQkvBias, null),
        ("multi_query_attention", MultiQueryAttention, null),
        ("multi_query_group_num", MultiQueryGroupNum, null),
        ("apply_query_key_layer_scaling", ApplyQueryKeyLayerScaling, null),
        // The Python class reads this attribute without a default.
        ("original_rope", TryGetField("original_rope", out var original) ? original.ValueKind == System.Text.Json.JsonValueKind.True : true, null),
        ("rope_ratio", RopeRatio, 1.0),
        (ScalingField, RopeRatio == 1 || RopeScaling == ScalingOf(NameOrPath) ? null : RopeScaling == RopeScaling.DividePositions ? "positions" : "base", null),
        ("tie_word_embeddings", TieWordEmbeddings, null),
    ];

    private static RopeScaling ScalingOf(string name) =>
        name.Contains("chatglm2", StringComparison.OrdinalIgnoreCase) || name.Contains("codegeex2", StringComparison.OrdinalIgnoreCase)
            ? RopeScaling.DividePositions
            : RopeScaling.MultiplyBase;
}
