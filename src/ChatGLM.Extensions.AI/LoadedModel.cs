using ChatGLM.Models;
using ChatGLM.Tokenizers;

namespace ChatGLM.Extensions.AI;

/// <summary>A model in memory, with what goes with it.</summary>
internal sealed class LoadedModel(ChatGLMForConditionalGeneration model, ChatGLMTokenizer tokenizer, int maxCachedConversations, bool ownsModel) : IDisposable
{
    public ChatGLMForConditionalGeneration Model => model;

    public ChatGLMTokenizer Tokenizer => tokenizer;

    public ConversationCache Conversations { get; } = new(model, tokenizer, maxCachedConversations);

    public void Dispose()
    {
        Conversations.Dispose();
        if (ownsModel)
            model.Dispose();
    }
}
