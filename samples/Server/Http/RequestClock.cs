namespace ChatGLM.Samples.Server.Http;

/// <summary>Ends one request when its time is over, its client has gone, or the server cannot wait for it any longer, and tells afterwards which it was.</summary>
internal sealed class RequestClock : IDisposable
{
    private readonly CancellationTokenSource _time;
    private readonly CancellationTokenSource _any;
    private readonly CancellationToken _clientGone;
    private readonly CancellationToken _stopping;

    public RequestClock(TimeSpan limit, CancellationToken clientGone, CancellationToken stopping)
    {
        Limit = limit;
        (_clientGone, _stopping) = (clientGone, stopping);
        _time = new CancellationTokenSource(limit);
        _any = CancellationTokenSource.CreateLinkedTokenSource(clientGone, stopping, _time.Token);
    }

    /// <summary>How long the request may take.</summary>
    public TimeSpan Limit { get; }

    /// <summary>Cancelled for any of the three reasons.</summary>
    public CancellationToken Token => _any.Token;

    /// <summary>Whether nobody waits for the answer any more.</summary>
    public bool IsClientGone => _clientGone.IsCancellationRequested;

    /// <summary>Whether the request has had its time.</summary>
    public bool IsOver => _time.IsCancellationRequested && !IsClientGone;

    /// <summary>Whether the server cannot wait any longer.</summary>
    public bool IsStopping => _stopping.IsCancellationRequested && !IsOver && !IsClientGone;

    public void Dispose()
    {
        _any.Dispose();
        _time.Dispose();
    }
}
