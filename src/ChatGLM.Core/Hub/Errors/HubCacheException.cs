namespace ChatGLM.Hub;

/// <summary>The cache cannot be written.</summary>
public sealed class HubCacheException : HubException
{
    internal HubCacheException(string repoId, string problem, Exception? inner = null)
        : base(repoId, problem, inner)
    {
    }
}
