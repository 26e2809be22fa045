using ChatGLM.Chat;
using ChatGLM.Generation;

namespace ChatGLM.Models;

/// <summary>A chat answer.</summary>
public sealed record ChatResult
{
    /// <summary>The answer for the person.</summary>
    public string Content => Response.Content;

    /// <summary>The answer taken apart: content, tool call, and the messages it adds to the history.</summary>
    public required ChatResponse Response { get; init; }

    /// <summary>Why it ended.</summary>
    public required FinishReason FinishReason { get; init; }

    /// <summary>The tokens of the prompt, history included.</summary>
    public required int PromptTokens { get; init; }

    /// <summary>Of these, how many the cache of a <see cref="ChatSession"/> still held.</summary>
    public required int CachedTokens { get; init; }

    /// <summary>The tokens generated, the end included.</summary>
    public required int CompletionTokens { get; init; }
}
