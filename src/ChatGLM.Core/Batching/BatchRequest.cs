using ChatGLM.Chat;
using ChatGLM.Generation;
using ChatGLM.Models;
using ChatGLM.Tokenizers;

namespace ChatGLM.Batching;

/// <summary>One prompt for a <see cref="BatchingEngine"/>.</summary>
public sealed record BatchRequest
{
    /// <summary>The prompt, special tokens included: what a tokenizer's <c>Encode</c> or <c>BuildChatInput</c> gives.</summary>
    public required IReadOnlyList<int> PromptIds { get; init; }

    /// <summary>The options, of greedy search or sampling, for one sequence; null for the model's. A seed is this request's own.</summary>
    public GenerationConfig? Config { get; init; }

    /// <summary>The adapter to answer with; null for none.</summary>
    public string? Adapter { get; init; }

    /// <summary>The caller's own processors, after those of the options. They are called on the engine's thread, between steps: all answers wait for them.</summary>
    public IReadOnlyList<LogitsProcessor> Processors { get; init; } = [];

    /// <summary>The tokenizer of the model's snapshot, which stop strings need; else null.</summary>
    public ChatGLMTokenizer? Tokenizer { get; init; }

    /// <summary>Whether the prompt may go on from keys and values of earlier ones, and leave its own for later ones.</summary>
    public bool ReusesPrefixes { get; init; } = true;

    /// <summary>A question in a conversation, as <see cref="ChatSession"/> asks it.</summary>
    /// <param name="model">The engine's model.</param>
    /// <param name="tokenizer">The tokenizer of the same snapshot.</param>
    /// <param name="query">The question, or a tool's result.</param>
    /// <param name="history">The messages before it; null for none.</param>
    /// <param name="options">How; null for the reference's chat options.</param>
    public static BatchRequest ForChat(ChatGLMForConditionalGeneration model, ChatGLMTokenizer tokenizer, string query, IReadOnlyList<ChatMessage>? history = null, ChatOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(query);
        model.RequireTokenizer(tokenizer);
        options ??= new ChatOptions();
        List<LogitsProcessor> processors = [.. options.Processors];
        if (options.GuardInvalidScores)
            processors.Add(new InvalidScoreLogitsProcessor(model.InvalidScoreToken));
        return new BatchRequest
        {
            PromptIds = tokenizer.BuildChatInput(query, history, options.Role),
            Config = model.Complete(options.Generation ?? model.ChatGenerationConfig) with { EosTokenId = options.Generation?.EosTokenId ?? tokenizer.ChatEosTokenIds },
            Processors = processors,
            Tokenizer = tokenizer,
        };
    }
}
