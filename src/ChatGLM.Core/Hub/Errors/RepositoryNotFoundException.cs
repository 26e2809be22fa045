namespace ChatGLM.Hub;

/// <summary>The hub has no such repo, or does not show it to this user.</summary>
public sealed class RepositoryNotFoundException : HubException
{
    internal RepositoryNotFoundException(string repoId, string problem, Exception? inner = null)
        : base(repoId, problem, inner)
    {
    }
}
