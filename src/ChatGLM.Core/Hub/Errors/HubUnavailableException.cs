namespace ChatGLM.Hub;

/// <summary>The hub could not be reached, or kept failing.</summary>
public sealed class HubUnavailableException : HubException
{
    internal HubUnavailableException(string repoId, string problem, Exception? inner = null)
        : base(repoId, problem, inner)
    {
    }
}
