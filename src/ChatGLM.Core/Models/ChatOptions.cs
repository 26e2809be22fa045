using ChatGLM.Chat;
using ChatGLM.Generation;

namespace ChatGLM.Models;

/// <summary>How a chat answer is made.</summary>
public sealed record ChatOptions
{
    /// <summary>The generation options; null for <see cref="ChatGLMForConditionalGeneration.ChatGenerationConfig"/>, from which variations are best made with a <c>with</c>
    /// expression.</summary>
    public GenerationConfig? Generation { get; init; }

    /// <summary>Who asks: the user, or a tool whose result this is (ChatGLM3).</summary>
    public ChatRole Role { get; init; } = ChatRole.User;

    /// <summary>The caller's own processors, after those of the options.</summary>
    public IReadOnlyList<LogitsProcessor> Processors { get; init; } = [];

    /// <summary>Whether scores that are not finite make one fixed token certain, as the reference's chat methods do. False makes them an <see cref="InvalidLogitsException"/>.</summary>
    public bool GuardInvalidScores { get; init; }

    /// <summary>Whether the answer stays as it was generated: streamed with the white space and ChatGLM3's line of metadata before it, and neither processed nor read for a tool call
    /// afterwards. For callers that take it apart themselves, such as with <see cref="StreamingResponseText"/> and <see cref="StreamingToolCallParser"/>.</summary>
    public bool RawResponse { get; init; }
}
