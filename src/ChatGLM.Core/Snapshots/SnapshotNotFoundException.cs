namespace ChatGLM.Snapshots;

/// <summary>A name is neither a snapshot folder nor a repo that the local Hugging Face cache holds.</summary>
public sealed class SnapshotNotFoundException : ChatGLMException
{
    internal SnapshotNotFoundException(string pathOrRepo, string problem)
        : base($"'{pathOrRepo}': {problem}") => PathOrRepo = pathOrRepo;

    /// <summary>What was asked for.</summary>
    public string PathOrRepo { get; }
}
