namespace ChatGLM.Tool.Serving;

/// <summary>Leaves the signals of the process to the command, whose token stops the server; the host's own lifetime would take every Ctrl+C, the second one too.</summary>
internal sealed class PassiveLifetime : IHostLifetime
{
    public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
