using ChatGLM.Generation;

namespace ChatGLM.Tool.Generation;

/// <summary>How texts are continued.</summary>
internal sealed record GenerateSettings
{
    /// <summary>Whether a text is a question.</summary>
    public bool AsChat { get; init; }

    public int BatchSize { get; init; } = 1;

    /// <summary>What the command line changes of the model's options.</summary>
    public required Func<GenerationConfig, GenerationConfig> Configure { get; init; }

    public bool IsJson { get; init; }
}
