namespace ChatGLM.Peft;

/// <summary>An adapter_config.json is damaged, or a configuration holds values that no adapter can have.</summary>
public sealed class AdapterConfigException : PeftException
{
    internal AdapterConfigException(string source, string? field, string problem, Exception? inner = null)
        : base(field is null ? $"{source}: {problem}" : $"{source}: '{field}' {problem}", inner) => Field = field;

    /// <summary>The name of the field as in the file, or null when the configuration as a whole is wrong.</summary>
    public string? Field { get; }
}
