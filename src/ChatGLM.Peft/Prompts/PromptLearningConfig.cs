using System.Globalization;
using ChatGLM.Models;
using ChatGLM.Peft.Config;
using ChatGLM.Tensors;

namespace ChatGLM.Peft;

/// <summary>
/// A method that leaves the layers alone and learns virtual tokens before the text (<c>peft.PromptLearningConfig</c>). The numbers that are null are taken from the base model. Such an adapter
/// has no <see cref="PeftConfig.TargetModules"/> and cannot be merged into weights.
/// </summary>
public abstract record PromptLearningConfig : PeftConfig
{
    private const int MostVirtualTokens = 1 << 16;
    private protected const int WidestEncoder = 1 << 20;

    private protected PromptLearningConfig()
    {
    }

    /// <summary>The virtual tokens; to be set.</summary>
    public int NumVirtualTokens { get; init; }

    /// <summary>The numbers of one virtual token: the hidden size; for prefix tuning those of one key, all key-value heads together.</summary>
    public int? TokenDim { get; init; }

    /// <summary>1 for a decoder, as these models are; 2 for encoder and decoder, which they have not.</summary>
    public int? NumTransformerSubmodules { get; init; }

    /// <summary>The attention heads; for prefix tuning the key-value heads.</summary>
    public int? NumAttentionHeads { get; init; }

    /// <summary>The layers.</summary>
    public int? NumLayers { get; init; }

    /// <summary>Whether a network makes the virtual tokens while they are trained. A file then holds what it made, not the network.</summary>
    internal abstract bool IsReparameterized { get; }

    /// <summary>The shape of what a file of a completed configuration holds.</summary>
    internal virtual Shape SavedShape => [NumVirtualTokens, TokenDim!.Value];

    private protected sealed override bool HasModules => false;

    /// <summary>This configuration with the numbers of a model.</summary>
    /// <exception cref="AdapterConfigException">It is for another model.</exception>
    internal virtual PromptLearningConfig Complete(ChatGLMConfig model)
    {
        RequireSame("token_dim", TokenDim, model.HiddenSize, "the hidden size");
        return this with
        {
            TokenDim = model.HiddenSize,
            NumTransformerSubmodules = 1,
            NumAttentionHeads = NumAttentionHeads ?? model.NumAttentionHeads,
            NumLayers = NumLayers ?? model.NumLayers,
        };
    }

    /// <summary>The prompt of a completed configuration: as it is trained, or, in inference mode, as it is saved.</summary>
    /// <param name="model">The base model.</param>
    /// <param name="isLoaded">Whether the first values do not matter.</param>
    internal abstract SoftPrompt Create(PreTrainedModel model, bool isLoaded);

    internal override void Validate()
    {
        if (NumVirtualTokens is < 1 or > MostVirtualTokens)
            throw Wrong("num_virtual_tokens", $"should be a whole number from 1 to {MostVirtualTokens}, found {Text(NumVirtualTokens)}.");
        if (NumTransformerSubmodules is not (null or 1))
            throw Wrong("num_transformer_submodules", $"is {Text(NumTransformerSubmodules.Value)}: these models are one decoder, expected 1. (peft takes 2 where task_type is SEQ_2_SEQ_LM, for models with an encoder.)");
        if (TargetModules is not null)
            throw Wrong("target_modules", "has no meaning here: virtual tokens stand before the text, and no module is changed.");
        if (ModulesToSave is not null)
            throw Wrong("modules_to_save", "is not known to peft's prompt methods, and would not be saved.");
    }

    private protected void RequireSame(string field, int? given, int needed, string what)
    {
        if (given is { } number && number != needed)
            throw Wrong(field, $"is {Text(number)}, expected {Text(needed)}, {what} of this model: the adapter is for another one.");
    }

    private protected override IEnumerable<ConfigField> Fields() =>
    [
        new("num_attention_heads", Number(NumAttentionHeads)),
        new("num_layers", Number(NumLayers)),
        new("num_transformer_submodules", Number(NumTransformerSubmodules)),
        new("num_virtual_tokens", PythonJson.Int(NumVirtualTokens)),
        new("token_dim", Number(TokenDim)),
    ];

    private protected static string Number(int? number) => number is { } given ? PythonJson.Int(given) : "null";

    private protected static int? ReadNumber(ConfigFields fields, string field) => fields.TryGet(field, out _) ? fields.Int(field, 0) : null;

    private protected static T ReadShared<T>(T config, ConfigFields fields)
        where T : PromptLearningConfig => (T)((PromptLearningConfig)config with
        {
            NumVirtualTokens = fields.Int("num_virtual_tokens", 0),
            TokenDim = ReadNumber(fields, "token_dim"),
            NumTransformerSubmodules = ReadNumber(fields, "num_transformer_submodules"),
            NumAttentionHeads = ReadNumber(fields, "num_attention_heads"),
            NumLayers = ReadNumber(fields, "num_layers"),
        });

    private protected static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
