namespace ChatGLM.Hub;

/// <summary>The repo lacks a file that is needed.</summary>
public sealed class HubFileNotFoundException : HubException
{
    internal HubFileNotFoundException(string repoId, string problem, Exception? inner = null)
        : base(repoId, problem, inner)
    {
    }
}
