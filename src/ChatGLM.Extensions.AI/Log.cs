using Microsoft.Extensions.Logging;

namespace ChatGLM.Extensions.AI;

/// <summary>What is logged. What people and models say is not.</summary>
internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Information, "Loading the model {ModelId} from {Model}.")]
    public static partial void Loading(ILogger logger, string modelId, string model);

    [LoggerMessage(2, LogLevel.Information, "Loaded the model {ModelId}: {Megabytes:F1} MB in {Seconds:F2} s.")]
    public static partial void Loaded(ILogger logger, string modelId, double megabytes, double seconds);

    [LoggerMessage(3, LogLevel.Error, "The model {ModelId} cannot be loaded.")]
    public static partial void LoadFailed(ILogger logger, Exception error, string modelId);

    [LoggerMessage(4, LogLevel.Debug, "{ModelId} answered {ResponseId}: {InputTokens} tokens read ({CachedTokens} cached), {OutputTokens} written in {Seconds:F2} s; {FinishReason}.")]
    public static partial void Answered(ILogger logger, string modelId, string responseId, int inputTokens, int cachedTokens, int outputTokens, double seconds, string finishReason);

    [LoggerMessage(5, LogLevel.Debug, "{ModelId}: the request {ResponseId} was cancelled after {Seconds:F2} s.")]
    public static partial void Cancelled(ILogger logger, string modelId, string responseId, double seconds);

    [LoggerMessage(6, LogLevel.Warning, "{ModelId}: the request {ResponseId} failed.")]
    public static partial void Failed(ILogger logger, Exception error, string modelId, string responseId);

    [LoggerMessage(8, LogLevel.Information, "{ModelId}: the request {ResponseId} was refused: {Error}.")]
    public static partial void Refused(ILogger logger, string modelId, string responseId, string error);

    [LoggerMessage(7, LogLevel.Warning, "{ModelId} wrote a call of the tool {Tool} that cannot be read.")]
    public static partial void BadToolCall(ILogger logger, Exception error, string modelId, string tool);
}
