using ChatGLM.Formats;

namespace ChatGLM.Hub;

/// <summary>Something about a hub, or a download from it, went wrong; the derived types say what.</summary>
public abstract class HubException : ChatGLMException
{
    private protected HubException(string repoId, string problem, Exception? inner)
        : base(ErrorText.Bound(repoId.Length == 0 ? problem : $"'{repoId}': {problem}"), inner) => RepoId = repoId;

    /// <summary>The repo that was asked for.</summary>
    public string RepoId { get; }
}
