using ChatGLM.Models;
using ChatGLM.Tokenizers;

namespace ChatGLM.Extensions.AI;

/// <summary>A model in memory, with what goes with it.</summary>
internal sealed class LoadedModel(ChatGLMForConditionalGeneration model, ChatGLMTokenizer tokenizer, ChatGLMOptions options, bool ownsModel) : IDisposable
{
    /// <summary>Whether <see cref="_adapter"/> is what the model answers with; not before the first request, nor after a selection that failed half way.</summary>
    private bool _isSelected;
    private string? _adapter;

    public ChatGLMForConditionalGeneration Model => model;

    public ChatGLMTokenizer Tokenizer => tokenizer;

    public ConversationCache Conversations { get; } = new(model, tokenizer, options.MaxCachedConversations);

    /// <summary>Makes an adapter the one that the model answers with, or none.</summary>
    public void Select(string? adapter)
    {
        if (options.Adapters.Count == 0 || (_isSelected && adapter == _adapter))
            return;
        _isSelected = false;
        options.SelectAdapter!(adapter);
        (_adapter, _isSelected) = (adapter, true);
    }

    /// <exception cref="PromptTooLongException">A prompt has more tokens than the application allows.</exception>
    public void RequireAllowedLength(int promptTokens)
    {
        if (options.MaxInputTokens is { } limit && promptTokens > limit)
            throw new PromptTooLongException(promptTokens, limit, nameof(ChatGLMOptions.MaxInputTokens));
    }

    public void Dispose()
    {
        Conversations.Dispose();
        if (ownsModel)
            model.Dispose();
    }
}
