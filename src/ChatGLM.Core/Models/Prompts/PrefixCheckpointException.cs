namespace ChatGLM.Models;

/// <summary>A checkpoint holds no P-Tuning v2 prefix, a damaged one, or one for another model. The model was left as it was.</summary>
public sealed class PrefixCheckpointException : ChatGLMException
{
    private const int MostNames = 8;

    internal PrefixCheckpointException(string path, string problem, IReadOnlyCollection<string> found)
        : base($"{path}: {problem} {Describe(found)} The model was left as it was.") => (Path, Found) = (path, [.. found]);

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>The names of the tensors that it holds.</summary>
    public IReadOnlyList<string> Found { get; }

    private static string Describe(IReadOnlyCollection<string> found) => found.Count == 0
        ? "It holds no tensors."
        : $"It holds {found.Count} tensors: {string.Join(", ", found.Take(MostNames).Select(name => name.Length > 100 ? name[..100] + "..." : name))}{(found.Count > MostNames ? ", ..." : "")}.";
}
