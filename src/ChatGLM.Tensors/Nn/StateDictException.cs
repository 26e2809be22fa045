namespace ChatGLM.Tensors;

/// <summary>A state dict does not fit a module.</summary>
public sealed class StateDictException : ChatGLMException
{
    internal StateDictException(IReadOnlyList<string> missing, IReadOnlyList<string> unexpected, IReadOnlyList<string> misshaped)
        : base($"The state dict does not fit: {Describe("missing", missing)}; {Describe("unexpected", unexpected)}; {Describe("of another shape or kind", misshaped)}. Nothing was changed.")
    {
        Missing = missing;
        Unexpected = unexpected;
        Misshaped = misshaped;
    }

    /// <summary>Parameters that were given no value.</summary>
    public IReadOnlyList<string> Missing { get; }

    /// <summary>Names that are no parameter.</summary>
    public IReadOnlyList<string> Unexpected { get; }

    /// <summary>Parameters whose value has another shape, or numbers where integers are needed, with both.</summary>
    public IReadOnlyList<string> Misshaped { get; }

    private static string Describe(string what, IReadOnlyList<string> names) => names.Count switch
    {
        0 => $"none {what}",
        <= 5 => $"{names.Count} {what} ({string.Join(", ", names)})",
        _ => $"{names.Count} {what} ({string.Join(", ", names.Take(5))}, ...)",
    };
}
