using ChatGLM.Peft.Config;
using ChatGLM.Peft.Tuners;

namespace ChatGLM.Peft;

/// <summary>
/// Adaptive low-rank adaptation (AdaLoRA, Zhang et al. 2023; <c>peft.AdaLoraConfig</c>): LoRA in the form of singular values, B diag(E) A, that begins with a rank of <see cref="InitR"/>
/// everywhere and takes away what matters least, until <see cref="TargetR"/> is left on average. Important layers so keep higher ranks than others.
/// </summary>
/// <remarks>
/// In training, call <see cref="PeftModel.UpdateAndAllocate"/> after every optimizer step, or let <c>AdaLoraCallback</c> of ChatGLM.Training do it. peft has no default targets of it for
/// ChatGLM; here they are those of LoRA, <c>query_key_value</c>.
/// </remarks>
public sealed record AdaLoraConfig : PeftConfig
{
    private const int MaxRank = 1 << 16;
    private const string PatternSuffix = ".lora_E";

    /// <inheritdoc/>
    public override PeftType PeftType => PeftType.AdaLora;

    /// <summary>The average rank that is left in the end.</summary>
    public int TargetR { get; init; } = 8;

    /// <summary>The rank at the start.</summary>
    public int InitR { get; init; } = 12;

    /// <summary>Steps at the start in which nothing is taken away.</summary>
    public int Tinit { get; init; }

    /// <summary>Steps at the end that train what is left.</summary>
    public int Tfinal { get; init; }

    /// <summary>The steps between two decisions.</summary>
    public int DeltaT { get; init; } = 1;

    /// <summary>How slowly the average of the sensitivity follows, in (0, 1).</summary>
    public double Beta1 { get; init; } = 0.85;

    /// <summary>How slowly the average of the sensitivity's changes follows, in (0, 1).</summary>
    public double Beta2 { get; init; } = 0.85;

    /// <summary>The weight of the term in the loss that keeps A and B orthogonal. peft refuses 0; here it means that there is no such term.</summary>
    public double OrthRegWeight { get; init; } = 0.5;

    /// <summary>The optimizer steps of the whole training. It has to be there before <see cref="PeftModel.UpdateAndAllocate"/> is called.</summary>
    public int? TotalStep { get; init; }

    /// <summary>Which of the initial ranks of a layer are left, by <c>{path}.lora_E</c>; null before the first decision. Training fills it in, and a file says with it how large its tensors
    /// are.</summary>
    public IReadOnlyDictionary<string, IReadOnlyList<bool>>? RankPattern { get; init; }

    /// <summary>A field that AdaLoRA inherits from LoRA in peft and does not use; the rank at the start is <see cref="InitR"/>.</summary>
    public int R { get; init; } = 8;

    /// <summary>The adapter's result is multiplied by this over <see cref="InitR"/>.</summary>
    public double LoraAlpha { get; init; } = 8;

    /// <summary>The probability with which each input of the adapter is zeroed in training, in [0, 1).</summary>
    public float LoraDropout { get; init; }

    /// <summary>Whether layers store their weight as [in, out]. None of these models does; as in peft it is then of no effect.</summary>
    public bool FanInFanOut { get; init; }

    /// <summary>Which biases are trained too.</summary>
    public LoraBias Bias { get; init; }

    /// <summary>Whether the first values are small, with a deviation of 0.02, so that the adapter changes hardly anything at first; otherwise they are standard normal, for tests.</summary>
    public bool InitLoraWeights { get; init; } = true;

    /// <summary>The layers to change, by index; null for all. Only with a list of <see cref="PeftConfig.TargetModules"/>.</summary>
    public IReadOnlyList<int>? LayersToTransform { get; init; }

    /// <summary>The names before the index in a module's path, such as <c>layers</c>; null for any.</summary>
    public IReadOnlyList<string>? LayersPattern { get; init; }

    internal override TrainedBiases TrainedBiases => (TrainedBiases)Bias;

    internal static AdaLoraConfig Read(ConfigFields fields)
    {
        if (fields.Bool("use_dora", false))
            throw new AdapterConfigException(fields.Source, "use_dora", "is set, and AdaLoRA has no DoRA.");
        return new()
        {
            TargetR = fields.Int("target_r", 8),
            InitR = fields.Int("init_r", 12),
            Tinit = fields.Int("tinit", 0),
            Tfinal = fields.Int("tfinal", 0),
            DeltaT = fields.Int("deltaT", 1),
            Beta1 = fields.Double("beta1", 0.85),
            Beta2 = fields.Double("beta2", 0.85),
            OrthRegWeight = fields.Double("orth_reg_weight", 0.5),
            TotalStep = fields.TryGet("total_step", out _) ? fields.Int("total_step", 0) : null,
            RankPattern = ReadPattern(fields),
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
            InitLoraWeights = fields.Bool("init_lora_weights", true),
            LayersToTransform = fields.Ints("layers_to_transform"),
            LayersPattern = fields.Strings("layers_pattern"),
        };
    }

    /// <summary>Which ranks of a layer are left; null if nothing is known.</summary>
    internal IReadOnlyList<bool>? PatternOf(string path) => RankPattern?.GetValueOrDefault(path + PatternSuffix);

    internal override void Validate()
    {
        Require("init_r", InitR is >= 1 and <= MaxRank, $"should be a whole number from 1 to {MaxRank}, found {InitR}.");
        Require("target_r", TargetR >= 0, $"should not be negative, found {TargetR}.");
        Require("tinit", Tinit >= 0, $"should not be negative, found {Tinit}.");
        Require("tfinal", Tfinal >= 0, $"should not be negative, found {Tfinal}.");
        Require("deltaT", DeltaT >= 1, $"should be at least 1, found {DeltaT}.");
        Require("beta1", Beta1 is > 0 and < 1, $"should be between 0 and 1, found {PythonJson.Float(Beta1)}.");
        Require("beta2", Beta2 is > 0 and < 1, $"should be between 0 and 1, found {PythonJson.Float(Beta2)}.");
        Require("orth_reg_weight", OrthRegWeight >= 0 && double.IsFinite(OrthRegWeight), $"should not be negative, found {PythonJson.Float(OrthRegWeight)}.");
        Require("total_step", TotalStep is null or >= 1, $"should be at least 1, found {TotalStep}.");
        Require("lora_alpha", double.IsFinite(LoraAlpha), "should be a finite number.");
        Require("lora_dropout", LoraDropout is >= 0 and < 1, $"should be at least 0 and less than 1, found {PythonJson.Float(LoraDropout)}.");
        Require("layers_to_transform", LayersToTransform is null || TargetModules?.Pattern is null, "has no effect where target_modules is one string; put the layers into the regular expression, or give a list of names.");

        void Require(string field, bool holds, string problem)
        {
            if (!holds)
                throw Wrong(field, problem);
        }
    }

    private protected override IEnumerable<ConfigField> Fields() =>
    [
        new("peft_type", PythonJson.String("ADALORA")),
        new("target_r", PythonJson.Int(TargetR)),
        new("init_r", PythonJson.Int(InitR)),
        new("tinit", PythonJson.Int(Tinit)),
        new("tfinal", PythonJson.Int(Tfinal)),
        new("deltaT", PythonJson.Int(DeltaT)),
        new("beta1", PythonJson.Float(Beta1)),
        new("beta2", PythonJson.Float(Beta2)),
        new("orth_reg_weight", PythonJson.Float(OrthRegWeight)),
        new("total_step", TotalStep is { } steps ? PythonJson.Int(steps) : "null"),
        new("rank_pattern", RankPattern is null
            ? "null"
            : PythonJson.Object(RankPattern.Select(p => KeyValuePair.Create(p.Key, PythonJson.List(p.Value.Select(PythonJson.Bool), 2))), 1)),
        new("r", PythonJson.Int(R)),
        new("lora_alpha", PythonJson.Number(LoraAlpha)),
        new("lora_dropout", PythonJson.Float(LoraDropout)),
        new("fan_in_fan_out", PythonJson.Bool(FanInFanOut)),
        new("bias", PythonJson.String(Bias switch { LoraBias.All => "all", LoraBias.LoraOnly => "lora_only", _ => "none" })),
        new("init_lora_weights", PythonJson.Bool(InitLoraWeights)),
        new("layers_to_transform", PythonJson.Ints(LayersToTransform)),
        new("layers_pattern", PythonJson.OneOrMore(LayersPattern)),
        new("alpha_pattern", "{}", Written.WhenNew),
        new("layer_replication", "null", Written.WhenNew),
        new("loftq_config", "{}", Written.WhenNew),
        new("megatron_config", "null", Written.WhenNew),
        new("megatron_core", PythonJson.String("megatron.core"), Written.WhenNew),
        new("use_dora", "false", Written.WhenNew),
        new("use_rslora", "false", Written.WhenNew),
    ];

    /// <summary>The table of kept ranks. A running peft calls its entries by parameter names, with the adapter's at the end, and may have written them so.</summary>
    private static Dictionary<string, IReadOnlyList<bool>>? ReadPattern(ConfigFields fields)
    {
        const string Expected = "an object that holds a list of true and false for each layer";
        if (!fields.TryGet("rank_pattern", out var value))
            return null;
        if (value.ValueKind != System.Text.Json.JsonValueKind.Object)
            throw fields.Wrong("rank_pattern", Expected, value);
        var pattern = new Dictionary<string, IReadOnlyList<bool>>(StringComparer.Ordinal);
        foreach (var entry in value.EnumerateObject())
        {
            var end = entry.Name.LastIndexOf(PatternSuffix, StringComparison.Ordinal);
            if (end < 0 || entry.Value.ValueKind != System.Text.Json.JsonValueKind.Array || entry.Value.GetArrayLength() > MaxRank)
                throw fields.Wrong("rank_pattern", Expected, value);
            pattern[entry.Name[..(end + PatternSuffix.Length)]] = entry.Value.EnumerateArray().Select(kept => kept.ValueKind switch
            {
                System.Text.Json.JsonValueKind.True => true,
                System.Text.Json.JsonValueKind.False => false,
                _ => throw fields.Wrong("rank_pattern", Expected, kept),
            }).ToArray();
        }

        return pattern;
    }
}
