namespace ChatGLM.Models;

/// <summary>A <c>config.json</c> is damaged, or one of its values cannot be what a model is built from.</summary>
public sealed class ConfigException : ChatGLMException
{
    internal ConfigException(string source, string? field, string problem, Exception? inner = null)
        : base(field is null ? $"{source}: {problem}" : $"{source}: '{field}' {problem}", inner)
    {
        Field = field;
    }

    /// <summary>The name of the field in the file, or null when the file as a whole is wrong.</summary>
    public string? Field { get; }
}
