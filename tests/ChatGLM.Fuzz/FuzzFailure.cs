namespace ChatGLM.Fuzz;

/// <summary>An input that a reader did not stand.</summary>
/// <param name="Index">The number of the input.</param>
/// <param name="Problem">What happened.</param>
/// <param name="SavedTo">The file that holds the input.</param>
/// <param name="Command">What runs this input alone again.</param>
public sealed record FuzzFailure(ulong Index, string Problem, string SavedTo, string Command)
{
    public override string ToString() => $"input {Index}: {Problem}{Environment.NewLine}  saved to {SavedTo}{Environment.NewLine}  again with: {Command}";
}
