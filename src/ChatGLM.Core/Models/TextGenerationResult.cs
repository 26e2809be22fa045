using ChatGLM.Generation;
using ChatGLM.Tokenizers;

namespace ChatGLM.Models;

/// <summary>Generated text.</summary>
public sealed record TextGenerationResult
{
    /// <summary>The text, without the prompt and the token that ended it.</summary>
    public required string Text { get; init; }

    /// <summary>Why it ended.</summary>
    public required FinishReason FinishReason { get; init; }

    /// <summary>The tokens of the prompt.</summary>
    public required int PromptTokens { get; init; }

    /// <summary>The tokens generated, the end included.</summary>
    public required int CompletionTokens { get; init; }

    /// <summary>The ids, and the other sequences where several were asked for.</summary>
    public required GenerationResult Generation { get; init; }

    internal static TextGenerationResult From(GenerationResult result, ChatGLMTokenizer tokenizer, GenerationConfig config)
    {
        var completion = result.Completion(0);
        if (result.FinishReasons[0] == FinishReason.Stop && completion.Length > 0 && (config.EosTokenId ?? []).Contains(completion[^1]))
            completion = completion[..^1];
        return new TextGenerationResult
        {
            Text = tokenizer.Decode(completion),
            FinishReason = result.FinishReasons[0],
            PromptTokens = result.PromptTokens[0],
            CompletionTokens = result.CompletionTokens[0],
            Generation = result,
        };
    }
}
