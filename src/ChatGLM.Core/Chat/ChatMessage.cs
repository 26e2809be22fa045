using System.Text.Json;

namespace ChatGLM.Chat;

/// <summary>One message of a chat.</summary>
/// <param name="Role">Who says it.</param>
/// <param name="Content">The text.</param>
public sealed record ChatMessage(ChatRole Role, string Content)
{
    /// <summary>ChatGLM3: the line before the text; the name of the tool in a call, else empty.</summary>
    public string Metadata { get; init; } = "";

    /// <summary>ChatGLM3: the tools that the model may call, on a system message: a JSON array of descriptions.</summary>
    public JsonElement? Tools { get; init; }
}
