using System.Text.Json;

namespace ChatGLM.Chat;

/// <summary>A tool that the model wants called.</summary>
/// <param name="Name">The tool's name, as the system message described it.</param>
/// <param name="Arguments">The arguments: a JSON object.</param>
public sealed record ToolCall(string Name, JsonElement Arguments);
