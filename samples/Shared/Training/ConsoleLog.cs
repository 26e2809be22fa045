using Microsoft.Extensions.Logging;

namespace ChatGLM.Samples;

/// <summary>Writes what the trainer has to say as lines: checkpoints, steps that were left out. Losses and the memory plan are shown with the progress bar.</summary>
internal sealed class ConsoleLog(TextWriter output) : ILogger
{
    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Information;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (IsEnabled(logLevel) && eventId.Name is not ("LogEntry" or "LogPlan"))
            output.WriteLine((logLevel >= LogLevel.Warning ? "Warning: " : "") + formatter(state, exception));
    }
}
