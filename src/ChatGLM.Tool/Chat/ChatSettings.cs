using System.Text.Json;
using ChatGLM.Generation;

namespace ChatGLM.Tool.Chat;

/// <summary>What a chat is to be like.</summary>
internal sealed record ChatSettings
{
    /// <summary>The only question; null to read questions.</summary>
    public string? Prompt { get; init; }

    /// <summary>Instructions before the chat.</summary>
    public string? System { get; init; }

    /// <summary>Tools that may be called.</summary>
    public JsonElement? Tools { get; init; }

    /// <summary>A file with a conversation to go on with.</summary>
    public string? History { get; init; }

    /// <summary>What the command line changes of the model's options.</summary>
    public required Func<GenerationConfig, GenerationConfig> Configure { get; init; }

    /// <summary>What has a say in the choice of tokens besides: tests make a model say what they want.</summary>
    public IReadOnlyList<LogitsProcessor> Processors { get; init; } = [];

    /// <summary>Whether answers are JSON lines.</summary>
    public bool IsJson { get; init; }
}
