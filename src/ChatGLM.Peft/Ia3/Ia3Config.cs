using ChatGLM.Peft.Config;

namespace ChatGLM.Peft;

/// <summary>
/// Activations rescaled by learned vectors ((IA)³, Liu et al. 2022; <c>peft.IA3Config</c>): the result of a layer, or the input of a feed-forward layer, times one trained number for each
/// column. The fewest parameters of all these methods.
/// </summary>
/// <remarks>peft has no defaults for ChatGLM; here they are those that it has for the models closest to it: <c>query_key_value</c> and <c>dense_4h_to_h</c>, the latter as a feed-forward
/// module.</remarks>
public sealed record Ia3Config : PeftConfig
{
    /// <inheritdoc/>
    public override PeftType PeftType => PeftType.Ia3;

    /// <summary>The modules among <see cref="PeftConfig.TargetModules"/> whose input is rescaled rather than their result: names, which the end of a path is compared with, or one regular
    /// expression over whole paths. Null for <c>dense_4h_to_h</c>, where that is a target.</summary>
    public TargetModules? FeedforwardModules { get; init; }

    /// <summary>Whether layers store their weight as [in, out]. None of these models does; as in peft it is then of no effect.</summary>
    public bool FanInFanOut { get; init; }

    /// <summary>Whether the vectors begin as ones, so that the adapter changes nothing at first; otherwise they are random, for tests.</summary>
    public bool InitIa3Weights { get; init; } = true;

    internal static Ia3Config Read(ConfigFields fields) => new()
    {
        FeedforwardModules = fields.Targets("feedforward_modules"),
        FanInFanOut = fields.Bool("fan_in_fan_out", false),
        InitIa3Weights = fields.Bool("init_ia3_weights", true),
    };

    internal override void Validate()
    {
        if (FeedforwardModules is { Pattern: null } feedforward && TargetModules is { Pattern: null } targets && feedforward.FirstOrDefault(name => !targets.Contains(name)) is { } other)
            throw Wrong("feedforward_modules", $"names {PeftException.Bound(other)}, which is not in target_modules, {targets}; it has to be a part of them.");
    }

    private protected override IEnumerable<ConfigField> Fields() =>
    [
        new("peft_type", PythonJson.String("IA3")),
        new("feedforward_modules", PythonJson.Targets(FeedforwardModules)),
        new("fan_in_fan_out", PythonJson.Bool(FanInFanOut)),
        new("init_ia3_weights", PythonJson.Bool(InitIa3Weights)),
    ];
}
