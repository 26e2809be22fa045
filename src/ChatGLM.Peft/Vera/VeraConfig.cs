using ChatGLM.Peft.Config;
using ChatGLM.Peft.Tuners;

namespace ChatGLM.Peft;

/// <summary>
/// Vector-based random matrix adaptation (VeRA, Kopiczko et al. 2023; <c>peft.VeraConfig</c>): one pair of random matrices A and B that all layers share and that is never trained, and two
/// trained vectors in each layer, b and d: the layer's result plus b * B (d * A x).
/// </summary>
/// <remarks>The default target is peft's for ChatGLM, <c>query_key_value</c>. The adapter is float32 whatever the base is, where peft rounds it to the base's type.</remarks>
public sealed record VeraConfig : PeftConfig
{
    private const int MaxRank = 1 << 16;

    /// <inheritdoc/>
    public override PeftType PeftType => PeftType.Vera;

    /// <summary>The inner width of the shared matrices. It costs one trained number a layer, so it is larger than the ranks of LoRA.</summary>
    public int R { get; init; } = 256;

    /// <summary>The seed that the shared matrices are drawn from, as PyTorch draws them.</summary>
    public long ProjectionPrngKey { get; init; }

    /// <summary>Whether the shared matrices are saved too. Without them a file is a few kilobytes, and they are drawn again from <see cref="ProjectionPrngKey"/> when it is loaded.</summary>
    public bool SaveProjection { get; init; } = true;

    /// <summary>The probability with which each input of the adapter is zeroed in training, in [0, 1).</summary>
    public float VeraDropout { get; init; }

    /// <summary>The first value of d.</summary>
    public double DInitial { get; init; } = 0.1;

    /// <summary>Whether layers store their weight as [in, out]. None of these models does; as in peft it is then of no effect.</summary>
    public bool FanInFanOut { get; init; }

    /// <summary>Which biases are trained too. They are saved, which peft forgets.</summary>
    public VeraBias Bias { get; init; }

    /// <summary>Whether b begins as zeros, so that the adapter changes nothing at first; otherwise both vectors begin at other values, for tests.</summary>
    public bool InitWeights { get; init; } = true;

    /// <summary>The layers to change, by index; null for all. Only with a list of <see cref="PeftConfig.TargetModules"/>.</summary>
    public IReadOnlyList<int>? LayersToTransform { get; init; }

    /// <summary>The names before the index in a module's path, such as <c>layers</c>; null for any.</summary>
    public IReadOnlyList<string>? LayersPattern { get; init; }

    internal override TrainedBiases TrainedBiases => (TrainedBiases)Bias;

    internal static VeraConfig Read(ConfigFields fields) => new()
    {
        R = fields.Int("r", 256),
        ProjectionPrngKey = fields.Long("projection_prng_key", 0),
        SaveProjection = fields.Bool("save_projection", true),
        VeraDropout = (float)fields.Double("vera_dropout", 0),
        DInitial = fields.Double("d_initial", 0.1),
        FanInFanOut = fields.Bool("fan_in_fan_out", false),
        Bias = fields.String("bias") switch
        {
            null or "none" => VeraBias.None,
            "all" => VeraBias.All,
            "vera_only" => VeraBias.VeraOnly,
            var other => throw new AdapterConfigException(fields.Source, "bias", $"is {PeftException.Bound(other)}; expected none, all or vera_only."),
        },
        InitWeights = fields.Bool("init_weights", true),
        LayersToTransform = fields.Ints("layers_to_transform"),
        LayersPattern = fields.Strings("layers_pattern"),
    };

    internal override void Validate()
    {
        if (R is < 1 or > MaxRank)
            throw Wrong("r", $"should be a whole number from 1 to {MaxRank}, found {R}.");
        if (VeraDropout is not (>= 0 and < 1))
            throw Wrong("vera_dropout", $"should be at least 0 and less than 1, found {PythonJson.Float(VeraDropout)}.");
        if (!double.IsFinite(DInitial))
            throw Wrong("d_initial", "should be a finite number.");
        if (LayersToTransform is not null && TargetModules?.Pattern is not null)
            throw Wrong("layers_to_transform", "has no effect where target_modules is one string; put the layers into the regular expression, or give a list of names.");
    }

    private protected override IEnumerable<ConfigField> Fields() =>
    [
        new("peft_type", PythonJson.String("VERA")),
        new("r", PythonJson.Int(R)),
        new("projection_prng_key", PythonJson.Int(ProjectionPrngKey)),
        new("save_projection", PythonJson.Bool(SaveProjection)),
        new("vera_dropout", PythonJson.Float(VeraDropout)),
        new("d_initial", PythonJson.Float(DInitial)),
        new("fan_in_fan_out", PythonJson.Bool(FanInFanOut)),
        new("bias", PythonJson.String(Bias switch { VeraBias.All => "all", VeraBias.VeraOnly => "vera_only", _ => "none" })),
        new("init_weights", PythonJson.Bool(InitWeights)),
        new("layers_to_transform", PythonJson.Ints(LayersToTransform)),
        new("layers_pattern", PythonJson.OneOrMore(LayersPattern)),
    ];
}
