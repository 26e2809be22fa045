namespace ChatGLM.Hub;

/// <summary>A file arrived with another length or other bytes than the hub announced.</summary>
public sealed class HubIntegrityException : HubException
{
    internal HubIntegrityException(string repoId, string problem, Exception? inner = null)
        : base(repoId, problem, inner)
    {
    }
}
