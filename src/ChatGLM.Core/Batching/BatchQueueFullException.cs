using System.Globalization;

namespace ChatGLM.Batching;

/// <summary>So many requests wait that one more is refused. Nothing was computed; the request can be made again later.</summary>
public sealed class BatchQueueFullException : ChatGLMException
{
    internal BatchQueueFullException(int queueLength)
        : base(string.Create(CultureInfo.InvariantCulture, $"{queueLength} requests wait already, expected at most {queueLength} ({nameof(BatchingOptions.MaxQueueLength)}). Try again later, or allow a longer queue.")) =>
        QueueLength = queueLength;

    /// <summary>The requests that may wait.</summary>
    public int QueueLength { get; }
}
