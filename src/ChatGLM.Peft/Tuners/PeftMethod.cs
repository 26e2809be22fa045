using ChatGLM.Peft.Config;
using ChatGLM.Peft.Ia3;
using ChatGLM.Peft.Lora;

namespace ChatGLM.Peft.Tuners;

/// <summary>One kind of adapter: its name in files, how its configuration is read, and what puts it on a model. A new kind adds one line to <see cref="All"/>; the rest is in its own folder.</summary>
/// <param name="Type">The kind.</param>
/// <param name="Name">What <c>peft_type</c> calls it.</param>
/// <param name="Read">Reads the fields that are its own.</param>
/// <param name="CreateTuner">Makes what puts it on the layers of a model; null for virtual tokens, whose configuration makes them (<see cref="PromptLearningConfig"/>).</param>
internal sealed record PeftMethod(PeftType Type, string Name, Func<ConfigFields, PeftConfig> Read, Func<ITuner>? CreateTuner = null)
{
    public static readonly IReadOnlyList<PeftMethod> All =
    [
        new(PeftType.Lora, "LORA", LoraConfig.Read, () => new LoraTuner()),
        new(PeftType.PrefixTuning, "PREFIX_TUNING", PrefixTuningConfig.Read),
        new(PeftType.PromptTuning, "PROMPT_TUNING", PromptTuningConfig.Read),
        new(PeftType.PTuning, "P_TUNING", PromptEncoderConfig.Read),
        new(PeftType.Ia3, "IA3", Ia3Config.Read, () => new Ia3Tuner()),
    ];

    public static PeftMethod Of(PeftConfig config) =>
        All.FirstOrDefault(m => m.Type == config.PeftType) ?? throw new AdapterConfigException(config.Origin, "peft_type", $"is {config.PeftType}; this version knows {Names}.");

    /// <param name="name">What a file gives as <c>peft_type</c>; null if it gives none.</param>
    /// <param name="source">The file, for an error.</param>
    public static PeftMethod Named(string? name, string source) => name is null
        ? throw new AdapterConfigException(source, "peft_type", $"is missing; expected one of {Names}.")
        : All.FirstOrDefault(m => m.Name == name) ?? throw new AdapterConfigException(source, "peft_type", $"is {PeftException.Bound(name)}; this version reads {Names}.");

    private static string Names => string.Join(", ", All.Select(m => m.Name));
}
