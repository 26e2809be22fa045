namespace ChatGLM.Peft;

/// <summary>The weights of an adapter do not fit the model or the adapter's own configuration.</summary>
public sealed class AdapterWeightsException : PeftException
{
    internal AdapterWeightsException(string source, string problem)
        : base($"{source}: {problem}")
    {
    }

    internal AdapterWeightsException(string source, IReadOnlyList<string> missing, IReadOnlyList<string> unexpected, IReadOnlyList<string> misshaped, string advice)
        : base($"{source}: the adapter does not fit this model. {Describe("Missing", missing)}{Describe("Unexpected", unexpected)}{Describe("Of another shape", misshaped)}{advice} The model was left as it was.")
    {
        Missing = missing;
        Unexpected = unexpected;
        Misshaped = misshaped;
    }

    /// <summary>Keys that the configuration calls for and the weights lack.</summary>
    public IReadOnlyList<string> Missing { get; } = [];

    /// <summary>Keys that have no place in the model.</summary>
    public IReadOnlyList<string> Unexpected { get; } = [];

    /// <summary>Keys whose tensor has another shape, with both shapes.</summary>
    public IReadOnlyList<string> Misshaped { get; } = [];

    private static string Describe(string what, IReadOnlyList<string> keys) => keys.Count == 0 ? "" : $"{what} ({keys.Count}): {List(keys)}. ";
}
