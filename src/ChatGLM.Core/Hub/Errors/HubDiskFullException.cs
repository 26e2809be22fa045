namespace ChatGLM.Hub;

/// <summary>The disk has no room for the download.</summary>
public sealed class HubDiskFullException : HubException
{
    internal HubDiskFullException(string repoId, string problem, Exception? inner = null)
        : base(repoId, problem, inner)
    {
    }
}
