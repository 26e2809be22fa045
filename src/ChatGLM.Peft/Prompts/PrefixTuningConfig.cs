using ChatGLM.Models;
using ChatGLM.Peft.Config;
using ChatGLM.Peft.Prompts;
using ChatGLM.Tensors;

namespace ChatGLM.Peft;

/// <summary>
/// Prefix tuning (Li and Liang 2021; <c>peft.PrefixTuningConfig</c>): learned keys and values before those of the first token in every layer. Where heads share keys, as in ChatGLM2, the
/// sizes are those of the shared ones, as later versions of peft have it for other models.
/// </summary>
public sealed record PrefixTuningConfig : PromptLearningConfig
{
    /// <inheritdoc/>
    public override PeftType PeftType => PeftType.PrefixTuning;

    /// <summary>The inner width of the projection; null for <see cref="PromptLearningConfig.TokenDim"/>.</summary>
    public int? EncoderHiddenSize { get; init; }

    /// <summary>Whether a two-layer network makes the prefix while it is trained.</summary>
    public bool PrefixProjection { get; init; }

    internal override bool IsReparameterized => PrefixProjection;

    internal override Shape SavedShape => [NumVirtualTokens, checked(2 * NumLayers!.Value * TokenDim!.Value)];

    internal static PeftConfig Read(ConfigFields fields) => ReadShared(new PrefixTuningConfig(), fields) with
    {
        EncoderHiddenSize = ReadNumber(fields, "encoder_hidden_size"),
        PrefixProjection = fields.Bool("prefix_projection", false),
    };

    internal override PromptLearningConfig Complete(ChatGLMConfig model)
    {
        var width = model.KeyValueHeads * model.HeadDim;
        RequireSame("num_layers", NumLayers, model.NumLayers, "the number of layers");
        RequireSame("num_attention_heads", NumAttentionHeads, model.KeyValueHeads, "the number of key-value heads");
        RequireSame("token_dim", TokenDim, width, "the width of a key");
        return this with
        {
            TokenDim = width,
            NumTransformerSubmodules = 1,
            NumAttentionHeads = model.KeyValueHeads,
            NumLayers = model.NumLayers,
            EncoderHiddenSize = EncoderHiddenSize ?? width,
        };
    }

    internal override SoftPrompt Create(PreTrainedModel model, bool isLoaded) => new PrefixTuningEncoder(PromptWeights.Fresh(model), this);

    internal override void Validate()
    {
        base.Validate();
        if (EncoderHiddenSize is < 1 or > WidestEncoder)
            throw Wrong("encoder_hidden_size", $"should be from 1 to {WidestEncoder}, found {Text(EncoderHiddenSize.Value)}.");
    }

    private protected override IEnumerable<ConfigField> Fields() =>
    [
        .. base.Fields(),
        new("peft_type", PythonJson.String("PREFIX_TUNING")),
        new("encoder_hidden_size", Number(EncoderHiddenSize)),
        new("prefix_projection", PythonJson.Bool(PrefixProjection)),
    ];
}
