using ChatGLM.Batching;
using ChatGLM.Models;
using ChatGLM.Tokenizers;

namespace ChatGLM.Extensions.AI;

/// <summary>A model in memory, with the engine that answers with it.</summary>
internal sealed class LoadedModel(ChatGLMForConditionalGeneration model, ChatGLMTokenizer tokenizer, ChatGLMOptions options, bool ownsModel) : IDisposable
{
    public ChatGLMForConditionalGeneration Model => model;

    public ChatGLMTokenizer Tokenizer => tokenizer;

    public BatchingEngine Engine { get; } = new(model, options.ToBatchingOptions());

    /// <exception cref="PromptTooLongException">A prompt has more tokens than the application allows.</exception>
    public void RequireAllowedLength(int promptTokens)
    {
        if (options.MaxInputTokens is { } limit && promptTokens > limit)
            throw new PromptTooLongException(promptTokens, limit, nameof(ChatGLMOptions.MaxInputTokens));
    }

    public void Dispose()
    {
        Engine.Dispose();
        if (ownsModel)
            model.Dispose();
    }
}
