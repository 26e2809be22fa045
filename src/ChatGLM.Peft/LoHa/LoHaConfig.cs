using ChatGLM.Peft.Config;

namespace ChatGLM.Peft;

/// <summary>
/// Low-rank Hadamard product (FedPara, Hyeon-Woo et al. 2021; <c>peft.LoHaConfig</c>): adds to the weight the elementwise product of two matrices of rank R, which has a rank of up to R².
/// </summary>
/// <remarks>peft has no default targets for it; here they are <c>query_key_value</c>. The adapter is float32 whatever the base is, where peft rounds it to the base's type.</remarks>
public sealed record LoHaConfig : LycorisConfig
{
    /// <inheritdoc/>
    public override PeftType PeftType => PeftType.LoHa;

    /// <summary>The adapter's result is multiplied by this over the rank.</summary>
    public double Alpha { get; init; } = 8;

    /// <summary>The probability with which a row of the added matrix is left out of a training pass, in [0, 1).</summary>
    public float RankDropout { get; init; }

    /// <summary>How convolutions are decomposed. These models have none; the field is kept.</summary>
    public bool UseEffectiveConv2d { get; init; }

    internal static LoHaConfig Read(ConfigFields fields) => ReadCommon(
        new LoHaConfig
        {
            Alpha = fields.Double("alpha", 8),
            RankDropout = (float)fields.Double("rank_dropout", 0),
            UseEffectiveConv2d = fields.Bool("use_effective_conv2d", false),
        },
        fields);

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
        new("peft_type", PythonJson.String("LOHA")),
        new("alpha", PythonJson.Number(Alpha)),
        new("rank_dropout", PythonJson.Float(RankDropout)),
        new("use_effective_conv2d", PythonJson.Bool(UseEffectiveConv2d)),
    ];
}
