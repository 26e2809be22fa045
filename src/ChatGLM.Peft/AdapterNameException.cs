namespace ChatGLM.Peft;

/// <summary>There is no adapter of a name, there is one already, or the name cannot be one.</summary>
public sealed class AdapterNameException : PeftException
{
    internal AdapterNameException(string name, string problem)
        : base($"The adapter '{Bound(name)}' {problem}") => AdapterName = name;

    /// <summary>The name.</summary>
    public string AdapterName { get; }

    internal static AdapterNameException Unknown(string name, IEnumerable<string> known) =>
        new(name, known.Any() ? $"is not there; there are: {List(known)}." : "is not there; the model has none.");
}
