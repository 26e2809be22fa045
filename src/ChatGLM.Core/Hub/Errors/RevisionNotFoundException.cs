namespace ChatGLM.Hub;

/// <summary>The repo has no such branch, tag or commit.</summary>
public sealed class RevisionNotFoundException : HubException
{
    internal RevisionNotFoundException(string repoId, string problem, Exception? inner = null)
        : base(repoId, problem, inner)
    {
    }
}
