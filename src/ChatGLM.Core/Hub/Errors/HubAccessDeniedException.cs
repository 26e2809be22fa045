namespace ChatGLM.Hub;

/// <summary>The repo is gated, or the token is missing, wrong or not enough.</summary>
public sealed class HubAccessDeniedException : HubException
{
    internal HubAccessDeniedException(string repoId, string problem, bool isGated)
        : base(repoId, problem, inner: null) => IsGated = isGated;

    /// <summary>Whether the repo's conditions have to be accepted on its page first.</summary>
    public bool IsGated { get; }
}
