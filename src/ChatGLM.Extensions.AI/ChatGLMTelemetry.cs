namespace ChatGLM.Extensions.AI;

/// <summary>The names to listen to: <c>AddSource</c> and <c>AddMeter</c> of OpenTelemetry take <see cref="SourceName"/>. Spans, attributes and metrics follow OpenTelemetry's GenAI semantic
/// conventions. What people and models say is never recorded.</summary>
public static class ChatGLMTelemetry
{
    /// <summary>The name of the activity source and of the meter.</summary>
    public const string SourceName = "ChatGLM.Extensions.AI";

    /// <summary>Histogram, tokens: how many an operation read and wrote, by <c>gen_ai.token.type</c>.</summary>
    public const string TokenUsage = "gen_ai.client.token.usage";

    /// <summary>Histogram, seconds: how long an operation took, waiting included.</summary>
    public const string OperationDuration = "gen_ai.client.operation.duration";

    /// <summary>Histogram, seconds: from the request to the first token's text.</summary>
    public const string TimeToFirstToken = "gen_ai.server.time_to_first_token";

    /// <summary>Histogram, seconds: the mean time of each further token of an answer.</summary>
    public const string TimePerOutputToken = "gen_ai.server.time_per_output_token";

    /// <summary>Histogram, seconds: how long a request waited for its turn at the model.</summary>
    public const string QueueDuration = "chatglm.queue.duration";

    /// <summary>Up-down counter, requests: how many wait for their turn at the model now.</summary>
    public const string QueueLength = "chatglm.queue.length";

    /// <summary>Up-down counter, requests: how many a model answers at once now.</summary>
    public const string BatchSize = "chatglm.batch.size";

    /// <summary>Up-down counter, tokens: those of answers under way whose keys and values are held now.</summary>
    public const string CacheTokens = "chatglm.cache.tokens";
}
