namespace ChatGLM.Hub;

/// <summary>An attempt failed in a way that another may not. Never leaves the client.</summary>
internal sealed class TransientHubException(string message, TimeSpan? retryAfter = null, bool isUnreachable = false, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>How long the server asks to wait.</summary>
    public TimeSpan? RetryAfter { get; } = retryAfter;

    /// <summary>Whether there was no connection at all, which seldom gets better within seconds.</summary>
    public bool IsUnreachable { get; } = isUnreachable;
}
