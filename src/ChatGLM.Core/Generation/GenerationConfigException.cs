namespace ChatGLM.Generation;

/// <summary>A generation option has a value that cannot be used, or a generation_config.json cannot be read.</summary>
public sealed class GenerationConfigException : ChatGLMException
{
    internal GenerationConfigException(string field, string message, Exception? inner = null)
        : base(message, inner) => Field = field;

    /// <summary>The option's name as it stands in generation_config.json, or the file's path when the file itself is at fault.</summary>
    public string Field { get; }
}
