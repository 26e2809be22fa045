namespace ChatGLM.Hub;

/// <summary>The hub, or what was said about it, is not as a hub is: an answer that makes no sense, a name that leaves its folder, a bad address.</summary>
public sealed class HubProtocolException : HubException
{
    internal HubProtocolException(string repoId, string problem, Exception? inner = null)
        : base(repoId, problem, inner)
    {
    }
}
