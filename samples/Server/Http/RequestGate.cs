using Microsoft.Extensions.Options;

namespace ChatGLM.Samples.Server.Http;

/// <summary>
/// Lets requests in until the server stops. Then the ones under way may end while new ones are told to come back later; only after that, or when their time is over, does the server close.
/// </summary>
internal sealed class RequestGate(IOptions<ServerOptions> options, ILogger<RequestGate> logger) : IHostedLifecycleService, IDisposable
{
    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _giveUp = new();
    private readonly TaskCompletionSource _empty = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _inside;
    private bool _isClosed;

    /// <summary>Whether requests are taken.</summary>
    public bool IsOpen
    {
        get
        {
            lock (_lock)
                return !_isClosed;
        }
    }

    /// <summary>The requests under way.</summary>
    public int Inside
    {
        get
        {
            lock (_lock)
                return _inside;
        }
    }

    /// <summary>Runs a request inside the gate, with its clock in its features and as its token.</summary>
    public async Task RunAsync(HttpContext context, RequestDelegate next)
    {
        lock (_lock)
        {
            if (_isClosed)
                throw ApiErrors.Stopping();
            _inside++;
        }

        try
        {
            using var clock = new RequestClock(TimeSpan.FromSeconds(options.Value.RequestTimeoutSeconds), context.RequestAborted, _giveUp.Token);
            context.Features.Set(clock);
            context.RequestAborted = clock.Token;
            await next(context);
        }
        finally
        {
            lock (_lock)
            {
                if (--_inside == 0 && _isClosed)
                    _empty.TrySetResult();
            }
        }
    }

    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        int waitFor;
        lock (_lock)
        {
            _isClosed = true;
            waitFor = _inside;
            if (_inside == 0)
                _empty.TrySetResult();
        }

        ServerLog.Stopping(logger, waitFor, options.Value.ShutdownSeconds);
        try
        {
            await _empty.Task.WaitAsync(TimeSpan.FromSeconds(options.Value.ShutdownSeconds), cancellationToken);
        }
        catch (Exception error) when (error is TimeoutException or OperationCanceledException)
        {
            ServerLog.GivenUp(logger, Inside);
            await _giveUp.CancelAsync();
            // An answer ends within a token of this; each then says goodbye to its client.
            await Task.WhenAny(_empty.Task, Task.Delay(TimeSpan.FromSeconds(5), CancellationToken.None));
        }
    }

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public void Dispose() => _giveUp.Dispose();
}
