using ChatGLM.Peft.Config;
using ChatGLM.Peft.Tuners;

namespace ChatGLM.Peft;

/// <summary>
/// Low-rank adaptation (Hu et al. 2021; <c>peft.LoraConfig</c>): the layer's result plus B A x times LoraAlpha / R.
/// </summary>
/// <example><code>
/// var peft = model.GetPeftModel(new LoraConfig { R = 8, LoraAlpha = 32, TargetModules = ["query_key_value"], LoraDropout = 0.1f });
/// </code></example>
public sealed record LoraConfig : PeftConfig
{
    private const int MaxRank = 1 << 16;

    /// <inheritdoc/>
    public override PeftType PeftType => PeftType.Lora;

    /// <summary>The rank: the inner width of the adapter.</summary>
    public int R { get; init; } = 8;

    /// <summary>The adapter's result is multiplied by this over <see cref="R"/>.</summary>
    public double LoraAlpha { get; init; } = 8;

    /// <summary>The probability with which each input of the adapter is zeroed in training, in [0, 1).</summary>
    public float LoraDropout { get; init; }

    /// <summary>Whether layers store their weight as [in, out]. None of these models does; as in peft it is then of no effect.</summary>
    public bool FanInFanOut { get; init; }

    /// <summary>Which biases are trained too.</summary>
    public LoraBias Bias { get; init; }

    /// <summary>The first values.</summary>
    public InitLoraWeights InitLoraWeights { get; init; }

    /// <summary>The layers to change, by index; null for all. Only with a list of <see cref="PeftConfig.TargetModules"/>.</summary>
    public IReadOnlyList<int>? LayersToTransform { get; init; }

    /// <summary>The names before the index in a module's path, such as <c>layers</c>; null for any.</summary>
    public IReadOnlyList<string>? LayersPattern { get; init; }

    /// <summary>Ranks other than <see cref="R"/>, by the end of a module's path (a regular expression).</summary>
    public IReadOnlyDictionary<string, int> RankPattern { get; init; } = new Dictionary<string, int>();

    /// <summary>Alphas other than <see cref="LoraAlpha"/>, by the end of a module's path (a regular expression).</summary>
    public IReadOnlyDictionary<string, double> AlphaPattern { get; init; } = new Dictionary<string, double>();

    /// <summary>Divides alpha by the root of the rank (rank-stabilised LoRA, Kalajdzievski 2023), so that higher ranks do not learn slower.</summary>
    public bool UseRslora { get; init; }

    /// <summary>Learns the length of each row of the weight apart from its direction (DoRA, Liu et al. 2024).</summary>
    public bool UseDora { get; init; }

    internal override TrainedBiases TrainedBiases => (TrainedBiases)Bias;

    internal static LoraConfig Read(ConfigFields fields) => new()
    {
        R = fields.Int("r", 8),
        LoraAlpha = fields.Double("lora_alpha", 8),
        LoraDropout = (float)fields.Double("lora_dropout", 0),
        FanInFanOut = fields.Bool("fan_in_fan_out", false),
        Bias = fields.String("bias") switch
        {
            null or "none" => LoraBias.None,
            "all" => LoraBias.All,
            "lora_only" => LoraBias.LoraOnly,
            var other => throw new AdapterConfigException(fields.Source, "bias", $"is {PeftException.Bound(other)}; expected none, all or lora_only."),
        },
        InitLoraWeights = ReadInit(fields),
        LayersToTransform = fields.Ints("layers_to_transform"),
        LayersPattern = fields.Strings("layers_pattern"),
        RankPattern = fields.Numbers("rank_pattern").ToDictionary(
            p => p.Key, p => p.Value is >= 1 and <= MaxRank && p.Value == Math.Truncate(p.Value) ? (int)p.Value : throw RankOutOfRange(fields.Source, "rank_pattern", p.Value), StringComparer.Ordinal),
        AlphaPattern = fields.Numbers("alpha_pattern"),
        UseRslora = fields.Bool("use_rslora", false),
        UseDora = fields.Bool("use_dora", false),
    };

    /// <summary>The factor of an adapter of a rank and alpha.</summary>
    internal float Scaling(int rank, double alpha) => (float)(alpha / (UseRslora ? Math.Sqrt(rank) : rank));

    internal override void Validate()
    {
        if (R is < 1 or > MaxRank)
            throw RankOutOfRange(Origin, "r", R);
        foreach (var rank in RankPattern.Values)
        {
            if (rank is < 1 or > MaxRank)
                throw RankOutOfRange(Origin, "rank_pattern", rank);
        }

        if (!double.IsFinite(LoraAlpha) || AlphaPattern.Values.Any(alpha => !double.IsFinite(alpha)))
            throw Wrong("lora_alpha", "should be a finite number.");
        if (LoraDropout is not (>= 0 and < 1))
            throw Wrong("lora_dropout", $"should be at least 0 and less than 1, found {PythonJson.Float(LoraDropout)}.");
        if (LayersToTransform is not null && TargetModules?.Pattern is not null)
            throw Wrong("layers_to_transform", "has no effect where target_modules is one string; put the layers into the regular expression, or give a list of names.");
        if (Original.FirstOrDefault(f => f.Key == "layer_replication") is { Value.ValueKind: System.Text.Json.JsonValueKind.Array })
            throw Wrong("layer_replication", "is set: this version does not repeat layers.");
    }

    private protected override IEnumerable<ConfigField> Fields() =>
    [
        new("peft_type", PythonJson.String("LORA")),
        new("r", PythonJson.Int(R)),
        new("lora_alpha", PythonJson.Number(LoraAlpha)),
        new("lora_dropout", PythonJson.Float(LoraDropout)),
        new("fan_in_fan_out", PythonJson.Bool(FanInFanOut)),
        new("bias", PythonJson.String(Bias switch { LoraBias.All => "all", LoraBias.LoraOnly => "lora_only", _ => "none" })),
        new("init_lora_weights", InitLoraWeights switch { InitLoraWeights.Random => "false", InitLoraWeights.Gaussian => PythonJson.String("gaussian"), _ => "true" }),
        new("layers_to_transform", LayersToTransform is null ? "null" : PythonJson.List(LayersToTransform.Select(n => PythonJson.Int(n)))),
        new("layers_pattern", LayersPattern switch
        {
            null => "null",
            { Count: 1 } one => PythonJson.String(one[0]),
            { } several => PythonJson.List(several.Select(PythonJson.String)),
        }),
        new("rank_pattern", PythonJson.Object(RankPattern.Select(p => KeyValuePair.Create(p.Key, PythonJson.Int(p.Value))), 1), UnlessAbsent(RankPattern.Count == 0)),
        new("alpha_pattern", PythonJson.Object(AlphaPattern.Select(p => KeyValuePair.Create(p.Key, PythonJson.Number(p.Value))), 1), UnlessAbsent(AlphaPattern.Count == 0)),
        new("use_rslora", PythonJson.Bool(UseRslora), UnlessAbsent(!UseRslora)),
        new("use_dora", PythonJson.Bool(UseDora), UnlessAbsent(!UseDora)),
        new("layer_replication", "null", Written.WhenNew),
        new("loftq_config", "{}", Written.WhenNew),
        new("megatron_config", "null", Written.WhenNew),
        new("megatron_core", PythonJson.String("megatron.core"), Written.WhenNew),
    ];

    private static Written UnlessAbsent(bool isDefault) => isDefault ? Written.UnlessAbsent : Written.Always;

    private static InitLoraWeights ReadInit(ConfigFields fields)
    {
        if (!fields.TryGet("init_lora_weights", out var value))
            return InitLoraWeights.Default;
        if (value.ValueKind != System.Text.Json.JsonValueKind.String)
            return fields.Bool("init_lora_weights", true) ? InitLoraWeights.Default : InitLoraWeights.Random;
        return value.GetString() switch
        {
            "gaussian" => InitLoraWeights.Gaussian,
            _ => throw fields.Wrong("init_lora_weights", "true, false or \"gaussian\" (this version has no pissa, olora or loftq; an adapter saved with one of them has changed its base too)", value),
        };
    }

    private static AdapterConfigException RankOutOfRange(string source, string field, double found) =>
        new(source, field, $"should be a whole number from 1 to {MaxRank}, found {PythonJson.Number(found)}.");
}
