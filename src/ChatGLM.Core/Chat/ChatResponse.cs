namespace ChatGLM.Chat;

/// <summary>What a model's answer says, taken apart.</summary>
public sealed record ChatResponse
{
    /// <summary>The text for the person; of an answer that names a tool, what follows the name.</summary>
    public required string Content { get; init; }

    /// <summary>ChatGLM3: the tool that the answer names, such as <c>interpreter</c>; null for plain text.</summary>
    public string? ToolName { get; init; }

    /// <summary>ChatGLM3: the call, when the chat's system message gave tools and the answer calls one; else null.</summary>
    public ToolCall? ToolCall { get; init; }

    /// <summary>The messages to add to the history.</summary>
    public required IReadOnlyList<ChatMessage> Messages { get; init; }
}
