namespace ChatGLM.Hub;

/// <summary>The cache lacks what is needed, and nothing may be downloaded.</summary>
public sealed class HubOfflineException : HubException
{
    internal HubOfflineException(string repoId, string problem, Exception? inner = null)
        : base(repoId, problem, inner)
    {
    }
}
