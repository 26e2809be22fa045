using ChatGLM.Chat;
using ChatGLM.Generation;
using ChatGLM.Tokenizers;

namespace ChatGLM.Models;

/// <content>Chat.</content>
public abstract partial class ChatGLMForConditionalGeneration
{
    /// <summary>The generation options that the reference's chat methods use: sampled, with top_p 0.7 and temperature 0.95 for ChatGLM-6B, 0.8 and 0.8 for ChatGLM2 and 3. They
    /// name no end of sequence: a chat ends where the tokenizer says, which for ChatGLM3 is at more tokens than its generation_config.json names.</summary>
    public abstract GenerationConfig ChatGenerationConfig { get; }

    /// <summary>Starts a conversation that keeps history and cache between its turns.</summary>
    /// <param name="tokenizer">The tokenizer of the same snapshot.</param>
    /// <param name="history">Messages of before; the session adds to it. Null for none.</param>
    public ChatSession StartChat(ChatGLMTokenizer tokenizer, ChatHistory? history = null)
    {
        RequireTokenizer(tokenizer);
        return new ChatSession(this, tokenizer, history ?? new ChatHistory());
    }

    /// <summary>Answers one question. For a conversation <see cref="StartChat"/> is faster: it keeps the cache.</summary>
    /// <param name="tokenizer">The tokenizer of the same snapshot.</param>
    /// <param name="query">The question.</param>
    /// <param name="history">The messages before it, to which question and answer are added; null for none.</param>
    /// <param name="options">How; null for the reference's chat options.</param>
    /// <param name="cancellationToken">Ends the answer; the history is then as before.</param>
    public ChatResult Chat(ChatGLMTokenizer tokenizer, string query, ChatHistory? history = null, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        using var session = StartChat(tokenizer, history);
        return session.Chat(query, options, cancellationToken);
    }

    /// <summary>Answers one question on a worker thread.</summary>
    /// <inheritdoc cref="Chat"/>
    public Task<ChatResult> ChatAsync(ChatGLMTokenizer tokenizer, string query, ChatHistory? history = null, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
        Task.Run(() => Chat(tokenizer, query, history, options, cancellationToken), cancellationToken);

    /// <summary>Answers one question piece by piece, on a worker thread. A piece never ends inside a character. Ending the enumeration early ends the answer.</summary>
    /// <inheritdoc cref="Chat"/>
    public IAsyncEnumerable<string> StreamChatAsync(
        ChatGLMTokenizer tokenizer, string query, ChatHistory? history = null, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        RequireTokenizer(tokenizer);
        ArgumentNullException.ThrowIfNull(query);
        return Stream(this, tokenizer, query, history, options, cancellationToken);

        static async IAsyncEnumerable<string> Stream(ChatGLMForConditionalGeneration model, ChatGLMTokenizer tokenizer, string query, ChatHistory? history, ChatOptions? options,
            [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
        {
            // One session for each enumeration.
            using var session = model.StartChat(tokenizer, history);
            await foreach (var piece in session.StreamChatAsync(query, options, cancellationToken).ConfigureAwait(false))
                yield return piece;
        }
    }
}
