using ChatGLM.Models;
using ChatGLM.Peft.Config;
using ChatGLM.Peft.Prompts;

namespace ChatGLM.Peft;

/// <summary>P-tuning (Liu et al. 2021, "GPT understands, too"; <c>peft.PromptEncoderConfig</c>): embeddings before those of the text, which a network makes while it is trained. Not to be
/// confused with P-Tuning v2, which ChatGLM has built in (<see cref="ModelOptions.PreSeqLen"/>).</summary>
public sealed record PromptEncoderConfig : PromptLearningConfig
{
    private const int MostLayers = 100;

    /// <inheritdoc/>
    public override PeftType PeftType => PeftType.PTuning;

    /// <summary>The network.</summary>
    public PromptEncoderReparameterizationType EncoderReparameterizationType { get; init; }

    /// <summary>Its inner width; null for the hidden size.</summary>
    public int? EncoderHiddenSize { get; init; }

    /// <summary>The layers of an LSTM. The other network has as many as it has.</summary>
    public int EncoderNumLayers { get; init; } = 2;

    /// <summary>Dropout between the layers of an LSTM, in training.</summary>
    public double EncoderDropout { get; init; }

    internal override bool IsReparameterized => true;

    internal static PeftConfig Read(ConfigFields fields) => ReadShared(new PromptEncoderConfig(), fields) with
    {
        EncoderReparameterizationType = fields.String("encoder_reparameterization_type") switch
        {
            null or "MLP" => PromptEncoderReparameterizationType.Mlp,
            "LSTM" => PromptEncoderReparameterizationType.Lstm,
            var other => throw new AdapterConfigException(fields.Source, "encoder_reparameterization_type", $"is {PeftException.Bound(other)}; expected MLP or LSTM."),
        },
        EncoderHiddenSize = ReadNumber(fields, "encoder_hidden_size"),
        EncoderNumLayers = fields.Int("encoder_num_layers", 2),
        EncoderDropout = fields.Double("encoder_dropout", 0),
    };

    internal override PromptLearningConfig Complete(ChatGLMConfig model)
    {
        var completed = (PromptEncoderConfig)base.Complete(model);
        return completed with { EncoderHiddenSize = EncoderHiddenSize ?? completed.TokenDim };
    }

    internal override SoftPrompt Create(PreTrainedModel model, bool isLoaded) =>
        InferenceMode ? new PromptEmbedding(PromptWeights.Fresh(model), this) : new PromptEncoder(PromptWeights.Fresh(model), this, model.Generator);

    internal override void Validate()
    {
        base.Validate();
        if (EncoderHiddenSize is < 1 or > WidestEncoder)
            throw Wrong("encoder_hidden_size", $"should be from 1 to {WidestEncoder}, found {Text(EncoderHiddenSize.Value)}.");
        if (EncoderNumLayers is < 1 or > MostLayers)
            throw Wrong("encoder_num_layers", $"should be from 1 to {MostLayers}, found {Text(EncoderNumLayers)}.");
        if (EncoderDropout is not (>= 0 and < 1))
            throw Wrong("encoder_dropout", $"should be at least 0 and less than 1, found {PythonJson.Float(EncoderDropout)}.");
    }

    private protected override IEnumerable<ConfigField> Fields() =>
    [
        .. base.Fields(),
        new("peft_type", PythonJson.String("P_TUNING")),
        new("encoder_reparameterization_type", PythonJson.String(EncoderReparameterizationType == PromptEncoderReparameterizationType.Lstm ? "LSTM" : "MLP")),
        new("encoder_hidden_size", Number(EncoderHiddenSize)),
        new("encoder_num_layers", PythonJson.Int(EncoderNumLayers)),
        new("encoder_dropout", PythonJson.Float(EncoderDropout)),
    ];
}
