using ChatGLM.Peft.Config;

namespace ChatGLM.Peft;

/// <summary>What the kinds of adapters from the LyCORIS project have in common (<c>LycorisConfig</c> in peft).</summary>
public abstract record LycorisConfig : PeftConfig
{
    private const int MaxRank = 1 << 16;

    private protected LycorisConfig()
    {
    }

    /// <summary>The rank.</summary>
    public int R { get; init; } = 8;

    /// <summary>The probability with which a layer's adapter is left out of a training pass, in [0, 1).</summary>
    public float ModuleDropout { get; init; }

    /// <summary>Whether the adapter changes nothing at first; otherwise all of it begins at random, for tests.</summary>
    public bool InitWeights { get; init; } = true;

    /// <summary>The layers to change, by index; null for all. Only with a list of <see cref="PeftConfig.TargetModules"/>.</summary>
    public IReadOnlyList<int>? LayersToTransform { get; init; }

    /// <summary>The names before the index in a module's path, such as <c>layers</c>; null for any.</summary>
    public IReadOnlyList<string>? LayersPattern { get; init; }

    /// <summary>Ranks other than <see cref="R"/>, by the end of a module's path (a regular expression).</summary>
    public IReadOnlyDictionary<string, int> RankPattern { get; init; } = new Dictionary<string, int>();

    /// <summary>Alphas other than the configuration's own, by the end of a module's path (a regular expression). OFT has none and keeps the field.</summary>
    public IReadOnlyDictionary<string, double> AlphaPattern { get; init; } = new Dictionary<string, double>();

    internal override void Validate()
    {
        if (R is < 1 or > MaxRank || RankPattern.Values.Any(rank => rank is < 1 or > MaxRank))
            throw Wrong(R is < 1 or > MaxRank ? "r" : "rank_pattern", $"should be a whole number from 1 to {MaxRank}, found {(R is < 1 or > MaxRank ? R : RankPattern.Values.First(rank => rank is < 1 or > MaxRank))}.");
        RequireProbability("module_dropout", ModuleDropout);
        if (AlphaPattern.Values.Any(alpha => !double.IsFinite(alpha)))
            throw Wrong("alpha_pattern", "should hold finite numbers.");
        if (LayersToTransform is not null && TargetModules?.Pattern is not null)
            throw Wrong("layers_to_transform", "has no effect where target_modules is one string; put the layers into the regular expression, or give a list of names.");
    }

    private protected static TConfig ReadCommon<TConfig>(TConfig config, ConfigFields fields)
        where TConfig : LycorisConfig => (TConfig)(config with
        {
            R = fields.Int("r", 8),
            ModuleDropout = (float)fields.Double("module_dropout", 0),
            // Later versions have names of further first values here, which do not matter to weights that are there.
            InitWeights = fields.TryGet("init_weights", out var init) && init.ValueKind == System.Text.Json.JsonValueKind.String || fields.Bool("init_weights", true),
            LayersToTransform = fields.Ints("layers_to_transform"),
            LayersPattern = fields.Strings("layers_pattern"),
            RankPattern = fields.Ranks("rank_pattern", MaxRank),
            AlphaPattern = fields.Numbers("alpha_pattern"),
        });

    private protected override IEnumerable<ConfigField> Fields() =>
    [
        new("r", PythonJson.Int(R)),
        new("module_dropout", PythonJson.Float(ModuleDropout)),
        new("init_weights", PythonJson.Bool(InitWeights)),
        new("layers_to_transform", PythonJson.Ints(LayersToTransform)),
        new("layers_pattern", PythonJson.OneOrMore(LayersPattern)),
        new("rank_pattern", PythonJson.Object(RankPattern.Select(p => KeyValuePair.Create(p.Key, PythonJson.Int(p.Value))), 1)),
        new("alpha_pattern", PythonJson.Object(AlphaPattern.Select(p => KeyValuePair.Create(p.Key, PythonJson.Number(p.Value))), 1)),
    ];

    private protected void RequireProbability(string field, float probability)
    {
        if (probability is not (>= 0 and < 1))
            throw Wrong(field, $"should be at least 0 and less than 1, found {PythonJson.Float(probability)}.");
    }
}
