namespace ChatGLM.Tool.Terminal;

/// <summary>Says what a run that was stopped has left.</summary>
internal static class Stopping
{
    /// <summary>Waits for a run.</summary>
    /// <param name="run">The run.</param>
    /// <param name="left">What there is when it is stopped.</param>
    /// <param name="cancellationToken">What stops it.</param>
    public static async Task<T> Leaves<T>(this Task<T> run, string left, CancellationToken cancellationToken)
    {
        try
        {
            return await run;
        }
        catch (OperationCanceledException stopped) when (cancellationToken.IsCancellationRequested)
        {
            throw new OperationCanceledException($"Stopped. {left}", stopped, cancellationToken);
        }
    }
}
