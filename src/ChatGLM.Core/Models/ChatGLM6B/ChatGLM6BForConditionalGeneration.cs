using ChatGLM.Generation;
using ChatGLM.Models.ChatGLM6B;
using ChatGLM.Tensors;

namespace ChatGLM.Models;

/// <summary>ChatGLM-6B with its language-model head.</summary>
internal sealed class ChatGLM6BForConditionalGeneration : ChatGLMForConditionalGeneration
{
    private readonly ModuleSlot<ChatGLMModel> _transformer;
    private readonly ModuleSlot<Linear> _lmHead;

    public ChatGLM6BForConditionalGeneration(WeightScope scope, ChatGLM6BConfig config, TorchGenerator generator)
        : base(config, scope.Backend, generator)
    {
        _transformer = Child("transformer", new ChatGLMModel(scope["transformer"], config, generator));
        _lmHead = Child("lm_head", config.TieWordEmbeddings
            ? new Linear(scope["lm_head"].GetTiedLinear(_transformer.Value.WordEmbeddings))
            : new Linear(scope["lm_head"], config.HiddenSize, config.VocabSize, bias: false));
    }

    // A head that was quantized group by group has numbers of its own; the table stays as it is.
    internal override IReadOnlyDictionary<string, string> TiedWeights => Config.TieWordEmbeddings && _lmHead.Value.Weight is not GroupQuantizedWeight
        ? _transformer.Value.WordEmbeddings.Tensors.ToDictionary(t => $"lm_head.{t.Name}", t => $"transformer.word_embeddings.{t.Name}")
        : base.TiedWeights;

    private protected override Transformer Transformer => _transformer.Value;

    private protected override Linear OutputLayer => _lmHead.Value;

    /// <inheritdoc/>
    public override GenerationConfig ChatGenerationConfig => GenerationConfig with { EosTokenId = null, MaxLength = Math.Min(2048, Config.MaxPositions), MaxNewTokens = null, DoSample = true, TopP = 0.7, Temperature = 0.95 };

    // The first vocabulary begins with 20,000 image tokens.
    internal override int InvalidScoreToken => Config.VocabularySize == 150528 ? 20005 : base.InvalidScoreToken;

    // A context that grows changes the keys of all of it: everything attends to everything.
    internal override bool CanContinueFromCache => false;

    internal override SequencePositions PositionsOf(ReadOnlySpan<int> prompt) => new BlockPositions(prompt, (ChatGLM6BConfig)Config, _transformer.Value.Masks);

    internal override DecodingState StartDecoding(ModelInputs prompt, int pastTokens) => pastTokens == 0
        ? BlockDecodingState.After(prompt, (ChatGLM6BConfig)Config, _transformer.Value.Masks)
        : throw new ModelInputException(nameof(ModelInputs.PastKeyValues), "ChatGLM-6B's context attends to itself in both directions, so a prompt cannot continue from a cache.");
}
