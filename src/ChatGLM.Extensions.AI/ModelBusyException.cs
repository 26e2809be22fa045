using System.Globalization;

namespace ChatGLM.Extensions.AI;

/// <summary>So many requests wait for a model that one more is refused. Nothing was computed; the request can be made again later.</summary>
public sealed class ModelBusyException : ChatGLMException
{
    internal ModelBusyException(string modelId, int queueLength)
        : base(string.Create(
            CultureInfo.InvariantCulture,
            $"{queueLength} requests wait for the model '{modelId}' already, expected at most {queueLength} ({nameof(ChatGLMOptions.MaxQueueLength)}). Try again later, or allow a longer queue."))
    {
        QueueLength = queueLength;
    }

    /// <summary>The requests that wait.</summary>
    public int QueueLength { get; }
}
