using ChatGLM.Peft.Config;

namespace ChatGLM.Peft;

/// <summary>
/// Low-rank Kronecker product (KronA, Edalati et al. 2022; <c>peft.LoKrConfig</c>): adds to the weight the Kronecker product of two small matrices, the larger of them of rank R.
/// </summary>
/// <remarks>
/// peft has no default targets for it; here they are <c>query_key_value</c>. The adapter is float32 whatever the base is, where peft rounds it to the base's type. Up to 0.13 peft does not
/// use <see cref="Alpha"/>, and neither do we for its files and for new adapters; a file of 0.14 or later, known by its <c>rank_dropout_scale</c>, is multiplied by Alpha over R as there.
/// </remarks>
public sealed record LoKrConfig : LycorisConfig
{
    private const string LaterField = "rank_dropout_scale";

    /// <inheritdoc/>
    public override PeftType PeftType => PeftType.LoKr;

    /// <summary>Over the rank the factor of the adapter's result, in files of peft 0.14 and later.</summary>
    public double Alpha { get; init; } = 8;

    /// <summary>The probability with which a row of the added matrix is left out of a training pass, in [0, 1).</summary>
    public float RankDropout { get; init; }

    /// <summary>How convolutions are decomposed. These models have none; the field is kept.</summary>
    public bool UseEffectiveConv2d { get; init; }

    /// <summary>Whether the smaller of the two matrices is of rank R too.</summary>
    public bool DecomposeBoth { get; init; }

    /// <summary>The size of the smaller matrix, if it divides the layer's; -1 for about the root of the layer's.</summary>
    public int DecomposeFactor { get; init; } = -1;

    /// <summary>Whether the rules of peft 0.14 and later hold, and if so whether rows that are left in training are made larger; null for the rules before.</summary>
    internal bool? RankDropoutScale => Original.FirstOrDefault(f => f.Key == LaterField) is { Key: not null, Value.ValueKind: var kind } ? kind == System.Text.Json.JsonValueKind.True : null;

    internal static LoKrConfig Read(ConfigFields fields)
    {
        fields.Bool(LaterField, false);
        return ReadCommon(
            new LoKrConfig
            {
                Alpha = fields.Double("alpha", 8),
                RankDropout = (float)fields.Double("rank_dropout", 0),
                UseEffectiveConv2d = fields.Bool("use_effective_conv2d", false),
                DecomposeBoth = fields.Bool("decompose_both", false),
                DecomposeFactor = fields.Int("decompose_factor", -1),
            },
            fields);
    }

    internal override void Validate()
    {
        base.Validate();
        RequireProbability("rank_dropout", RankDropout);
        if (!double.IsFinite(Alpha))
            throw Wrong("alpha", "should be a finite number.");
    }

    private protected override IEnumerable<ConfigField> Fields() =>
    [
        .. base.Fields(),
        new("peft_type", PythonJson.String("LOKR")),
        new("alpha", PythonJson.Number(Alpha)),
        new("rank_dropout", PythonJson.Float(RankDropout)),
        new("use_effective_conv2d", PythonJson.Bool(UseEffectiveConv2d)),
        new("decompose_both", PythonJson.Bool(DecomposeBoth)),
        new("decompose_factor", PythonJson.Int(DecomposeFactor)),
    ];
}
