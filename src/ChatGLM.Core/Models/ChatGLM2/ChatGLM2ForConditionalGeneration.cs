using ChatGLM.Generation;
using ChatGLM.Models.ChatGLM2;
using ChatGLM.Tensors;

namespace ChatGLM.Models;

/// <summary>ChatGLM2-6B or ChatGLM3-6B with its language-model head.</summary>
internal sealed class ChatGLM2ForConditionalGeneration : ChatGLMForConditionalGeneration
{
    private readonly ModuleSlot<ChatGLMModel> _transformer;

    public ChatGLM2ForConditionalGeneration(WeightScope scope, ChatGLM2Config config, TorchGenerator generator)
        : base(config, scope.Backend, generator) => _transformer = Child("transformer", new ChatGLMModel(scope["transformer"], config, generator));

    private protected override Transformer Transformer => _transformer.Value;

    private protected override Linear OutputLayer => _transformer.Value.OutputLayer;

    /// <inheritdoc/>
    public override GenerationConfig ChatGenerationConfig => GenerationConfig with { EosTokenId = null, MaxLength = Math.Min(8192, Config.MaxPositions), MaxNewTokens = null, DoSample = true, TopP = 0.8, Temperature = 0.8 };

    internal override bool CanContinueFromCache => true;

    internal override SequencePositions PositionsOf(ReadOnlySpan<int> prompt) => CausalPositions.Instance;

    internal override DecodingState StartDecoding(ModelInputs prompt, int pastTokens) => CausalDecodingState.After(prompt, pastTokens);
}
