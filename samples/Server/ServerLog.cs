namespace ChatGLM.Samples.Server;

/// <summary>What is logged. What people and models say is not.</summary>
internal static partial class ServerLog
{
    [LoggerMessage(1, LogLevel.Information, "Serving {Models} on {Address}; a page to chat on is there too.")]
    public static partial void Listening(ILogger logger, string models, string address);

    [LoggerMessage(2, LogLevel.Information, "{Method} {Path} {Status} in {Milliseconds:F1} ms ({RequestId}).")]
    public static partial void Answered(ILogger logger, string method, string path, int status, double milliseconds, string requestId);

    [LoggerMessage(3, LogLevel.Error, "{Method} {Path} failed ({RequestId}).")]
    public static partial void Failed(ILogger logger, Exception error, string method, string path, string requestId);

    [LoggerMessage(4, LogLevel.Information, "Stopping: {Requests} requests have {Seconds} s to end; new ones are refused.")]
    public static partial void Stopping(ILogger logger, int requests, double seconds);

    [LoggerMessage(5, LogLevel.Warning, "{Requests} requests have not ended in time and are cut off.")]
    public static partial void GivenUp(ILogger logger, int requests);

    [LoggerMessage(6, LogLevel.Warning, "Everybody who reaches {Host} may ask: there is no key.")]
    public static partial void Open(ILogger logger, string host);
}
