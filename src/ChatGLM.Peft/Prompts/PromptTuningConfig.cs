using ChatGLM.Models;
using ChatGLM.Peft.Config;
using ChatGLM.Peft.Prompts;
using ChatGLM.Tokenizers;

namespace ChatGLM.Peft;

/// <summary>Prompt tuning (Lester et al. 2021; <c>peft.PromptTuningConfig</c>): learned embeddings before those of the text.</summary>
public sealed record PromptTuningConfig : PromptLearningConfig
{
    /// <inheritdoc/>
    public override PeftType PeftType => PeftType.PromptTuning;

    /// <summary>The first values.</summary>
    public PromptTuningInit PromptTuningInit { get; init; }

    /// <summary>The text whose embeddings are the first values, with <see cref="PromptTuningInit.Text"/>. It is cut, or repeated, to the number of virtual tokens.</summary>
    public string? PromptTuningInitText { get; init; }

    /// <summary>The tokenizer of the text: a folder or a repo.</summary>
    public string? TokenizerNameOrPath { get; init; }

    /// <summary>The tokenizer of the text, where it is loaded already; else <see cref="TokenizerNameOrPath"/> is.</summary>
    public ChatGLMTokenizer? Tokenizer { get; init; }

    internal override bool IsReparameterized => false;

    internal static PeftConfig Read(ConfigFields fields) => ReadShared(new PromptTuningConfig(), fields) with
    {
        PromptTuningInit = fields.String("prompt_tuning_init") switch
        {
            null or "RANDOM" => PromptTuningInit.Random,
            "TEXT" => PromptTuningInit.Text,
            "SAMPLE_VOCAB" => PromptTuningInit.SampleVocab,
            var other => throw new AdapterConfigException(fields.Source, "prompt_tuning_init", $"is {PeftException.Bound(other)}; expected RANDOM, TEXT or SAMPLE_VOCAB."),
        },
        PromptTuningInitText = fields.String("prompt_tuning_init_text"),
        TokenizerNameOrPath = fields.String("tokenizer_name_or_path"),
    };

    internal override PromptLearningConfig Complete(ChatGLMConfig model) =>
        (PromptTuningConfig)base.Complete(model) with { TokenizerNameOrPath = TokenizerNameOrPath ?? Tokenizer?.NameOrPath };

    internal override SoftPrompt Create(PreTrainedModel model, bool isLoaded)
    {
        var ids = isLoaded || InferenceMode || PromptTuningInit != PromptTuningInit.Text ? [] : TextIds();
        var prompt = new PromptEmbedding(PromptWeights.Fresh(model), this);
        if (isLoaded || InferenceMode || PromptTuningInit == PromptTuningInit.Random)
            return prompt;
        var tokens = new long[NumVirtualTokens];
        if (PromptTuningInit == PromptTuningInit.SampleVocab)
            model.Generator.RandInt(tokens, 0, model.Config.VocabularySize);
        for (var i = 0; i < ids.Length && i < tokens.Length; i++)
        {
            for (var at = i; at < tokens.Length; at += ids.Length)
                tokens[at] = ids[i];
        }

        WordEmbeddings.Copy(model, tokens, prompt.Table);
        return prompt;
    }

    private protected override IEnumerable<ConfigField> Fields() =>
    [
        .. base.Fields(),
        new("peft_type", PythonJson.String("PROMPT_TUNING")),
        new("prompt_tuning_init", PythonJson.String(PromptTuningInit switch { PromptTuningInit.Text => "TEXT", PromptTuningInit.SampleVocab => "SAMPLE_VOCAB", _ => "RANDOM" })),
        new("prompt_tuning_init_text", PythonJson.String(PromptTuningInitText)),
        new("tokenizer_name_or_path", PythonJson.String(TokenizerNameOrPath)),
        new("tokenizer_kwargs", "null", Written.WhenNew),
    ];

    private int[] TextIds()
    {
        if (PromptTuningInitText is null)
            throw Wrong("prompt_tuning_init_text", "is not set, and prompt_tuning_init is TEXT: give the text that the virtual tokens begin as.");
        var tokenizer = Tokenizer ?? AutoTokenizer.FromPretrained(!string.IsNullOrEmpty(TokenizerNameOrPath)
            ? TokenizerNameOrPath
            : throw Wrong("tokenizer_name_or_path", "is not set, and prompt_tuning_init is TEXT: give the base model's tokenizer."));
        var ids = tokenizer.Encode(PromptTuningInitText);
        return ids.Length > 0 ? ids : throw Wrong("prompt_tuning_init_text", "has no tokens.");
    }
}
