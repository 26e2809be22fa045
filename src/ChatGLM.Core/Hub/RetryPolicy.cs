using Microsoft.Extensions.Logging;

namespace ChatGLM.Hub;

/// <summary>When and how soon a failed attempt is made again.</summary>
internal sealed partial class RetryPolicy(HubOptions options, string repoId)
{
    /// <summary>Without a connection a few attempts are enough: somebody without a network should not wait half a minute to hear so.</summary>
    private const int MaxRetriesWithoutConnection = 2;

    private static readonly TimeSpan FirstDelay = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan MaxDelay = TimeSpan.FromSeconds(30);

    /// <summary>A server that asks for more than this is told to the user instead.</summary>
    private static readonly TimeSpan MaxRetryAfter = TimeSpan.FromMinutes(5);

    public async Task<T> RunAsync<T>(string what, Func<Task<T>> attempt, CancellationToken cancellationToken)
    {
        for (var failures = 0; ;)
        {
            try
            {
                return await attempt().ConfigureAwait(false);
            }
            catch (TransientHubException e)
            {
                await WaitAsync(what, e, ++failures, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Waits before the next attempt, or gives up.</summary>
    /// <param name="what">What is tried.</param>
    /// <param name="e">What went wrong.</param>
    /// <param name="failures">How often in a row, this time included.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    public async Task WaitAsync(string what, TransientHubException e, int failures, CancellationToken cancellationToken)
    {
        var limit = e.IsUnreachable ? Math.Min(options.MaxRetries, MaxRetriesWithoutConnection) : options.MaxRetries;
        if (failures > limit || e.RetryAfter > MaxRetryAfter)
        {
            var asked = e.RetryAfter > MaxRetryAfter ? $" and asks to wait {e.RetryAfter.Value.TotalSeconds:0} seconds" : "";
            throw new HubUnavailableException(
                repoId,
                $"{what} failed: {e.Message}{asked} (attempt {failures}). Try again later: what has arrived is kept. Without a network, download elsewhere and give the folder; HF_ENDPOINT names a mirror.",
                e);
        }

        var delay = e.RetryAfter ?? Backoff(failures);
        if (options.Logger is { } logger)
            LogRetry(logger, repoId, what, e.Message, delay.TotalSeconds);
        await options.Delay(delay, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Doubles from attempt to attempt; the random part keeps clients that failed together from coming back together.</summary>
    private static TimeSpan Backoff(int failures)
    {
        var seconds = Math.Min(MaxDelay.TotalSeconds, FirstDelay.TotalSeconds * Math.Pow(2, Math.Min(failures - 1, 10)));
        return TimeSpan.FromSeconds(seconds * (0.75 + (0.5 * Random.Shared.NextDouble())));
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{RepoId}: {What} failed: {Problem}. Next attempt in {Seconds:F1} s.")]
    private static partial void LogRetry(ILogger logger, string repoId, string what, string problem, double seconds);
}
