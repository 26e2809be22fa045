using System.Diagnostics;
using System.Diagnostics.Metrics;
using ChatGLM.Batching;
using Microsoft.Extensions.AI;

namespace ChatGLM.Extensions.AI;

/// <summary>The spans and metrics of one model.</summary>
internal sealed class Telemetry : IDisposable
{
    public const string Provider = "chatglm";

    // The bounds that the conventions advise.
    private static readonly double[] SecondBounds = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
    private static readonly long[] TokenBounds = [1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864];

    private readonly ActivitySource _source = new(ChatGLMTelemetry.SourceName);
    private readonly Meter _meter;
    private readonly bool _ownsMeter;

    public Telemetry(IMeterFactory? meters)
    {
        _ownsMeter = meters is null;
        _meter = meters?.Create(ChatGLMTelemetry.SourceName) ?? new Meter(ChatGLMTelemetry.SourceName);
        TokenUsage = _meter.CreateHistogram(
            ChatGLMTelemetry.TokenUsage, "{token}", "Tokens read and written by an operation.", null, new InstrumentAdvice<long> { HistogramBucketBoundaries = TokenBounds });
        OperationDuration = Seconds(ChatGLMTelemetry.OperationDuration, "How long an operation took, waiting included.");
        TimeToFirstToken = Seconds(ChatGLMTelemetry.TimeToFirstToken, "From the request to the first token.");
        TimePerOutputToken = Seconds(ChatGLMTelemetry.TimePerOutputToken, "The mean time of each further token.");
        QueueDuration = Seconds(ChatGLMTelemetry.QueueDuration, "How long a request waited for its turn.");
    }

    private Histogram<long> TokenUsage { get; }

    private Histogram<double> OperationDuration { get; }

    private Histogram<double> TimeToFirstToken { get; }

    private Histogram<double> TimePerOutputToken { get; }

    private Histogram<double> QueueDuration { get; }

    /// <summary>Lets listeners see how long a model's queue is.</summary>
    public void ObserveQueue(string modelId, Func<int> length) => _meter.CreateObservableUpDownCounter(
        ChatGLMTelemetry.QueueLength, () => new Measurement<int>(length(), KeyValuePair.Create<string, object?>("gen_ai.request.model", modelId)), "{request}", "Requests that wait for their turn at the model.");

    /// <summary>Lets listeners see how many requests a model answers at once, and how full the room for keys and values is.</summary>
    public void ObserveBatch(string modelId, Func<BatchingStatistics?> statistics)
    {
        var tag = KeyValuePair.Create<string, object?>("gen_ai.request.model", modelId);
        _meter.CreateObservableUpDownCounter(ChatGLMTelemetry.BatchSize, () => new Measurement<int>(statistics()?.Running ?? 0, tag), "{request}", "Requests that are answered at once.");
        _meter.CreateObservableUpDownCounter(
            ChatGLMTelemetry.CacheTokens, () => new Measurement<int>(statistics() is { } now ? now.UsedCacheTokens - now.IdleCacheTokens : 0, tag), "{token}", "Tokens of answers under way whose keys and values are held.");
    }

    /// <summary>Begins to measure a request.</summary>
    /// <param name="name">The operation, such as <c>chat</c>.</param>
    /// <param name="modelId">The model or adapter that is asked.</param>
    public Operation Start(string name, string modelId) => new(this, name, modelId);

    public void Dispose()
    {
        _source.Dispose();
        if (_ownsMeter)
            _meter.Dispose();
    }

    private Histogram<double> Seconds(string name, string description) =>
        _meter.CreateHistogram(name, "s", description, null, new InstrumentAdvice<double> { HistogramBucketBoundaries = SecondBounds });

    /// <summary>One request, from its arrival to its end.</summary>
    internal sealed class Operation : IDisposable
    {
        private readonly Telemetry _telemetry;
        private readonly string _name;
        private readonly string _modelId;
        private readonly Activity? _activity;
        private readonly long _start = Stopwatch.GetTimestamp();
        private TimeSpan? _firstToken;
        private string? _error;

        public Operation(Telemetry telemetry, string name, string modelId)
        {
            (_telemetry, _name, _modelId) = (telemetry, name, modelId);
            _activity = telemetry._source.StartActivity($"{name} {modelId}", ActivityKind.Internal);
            if (_activity is not { IsAllDataRequested: true })
                return;
            _activity.SetTag("gen_ai.operation.name", name);
            _activity.SetTag("gen_ai.provider.name", Provider);
            _activity.SetTag("gen_ai.request.model", modelId);
        }

        public TimeSpan Elapsed => Stopwatch.GetElapsedTime(_start);

        /// <summary>What was asked for.</summary>
        public void SetRequest(ChatOptions? options)
        {
            if (options is null || _activity is not { IsAllDataRequested: true } activity)
                return;
            activity.SetTag("gen_ai.request.max_tokens", options.MaxOutputTokens);
            activity.SetTag("gen_ai.request.temperature", options.Temperature);
            activity.SetTag("gen_ai.request.top_p", options.TopP);
            activity.SetTag("gen_ai.request.top_k", options.TopK);
            activity.SetTag("gen_ai.request.seed", options.Seed);
            activity.SetTag("gen_ai.request.frequency_penalty", options.FrequencyPenalty);
            activity.SetTag("gen_ai.request.presence_penalty", options.PresencePenalty);
            activity.SetTag("gen_ai.request.stop_sequences", options.StopSequences is { Count: > 0 } stops ? stops.ToArray() : null);
        }

        /// <summary>The model is this request's from now on.</summary>
        public void TurnBegins() => _telemetry.QueueDuration.Record(Elapsed.TotalSeconds, Tags());

        public void FirstToken()
        {
            if (_firstToken is not null)
                return;
            _firstToken = Elapsed;
            _telemetry.TimeToFirstToken.Record(_firstToken.Value.TotalSeconds, Tags());
        }

        public void Complete(string responseId, ChatFinishReason finishReason, int inputTokens, int cachedTokens, int outputTokens)
        {
            Complete(inputTokens);
            _telemetry.TokenUsage.Record(outputTokens, Tags(KeyValuePair.Create<string, object?>("gen_ai.token.type", "output")));
            if (_firstToken is { } first && outputTokens > 1)
                _telemetry.TimePerOutputToken.Record((Elapsed - first).TotalSeconds / (outputTokens - 1), Tags());
            if (_activity is not { IsAllDataRequested: true } activity)
                return;
            activity.SetTag("gen_ai.response.id", responseId);
            activity.SetTag("gen_ai.response.finish_reasons", new[] { finishReason.Value });
            activity.SetTag("gen_ai.usage.output_tokens", outputTokens);
            activity.SetTag("gen_ai.usage.cache_read.input_tokens", cachedTokens);
        }

        public void Complete(int inputTokens)
        {
            _telemetry.TokenUsage.Record(inputTokens, Tags(KeyValuePair.Create<string, object?>("gen_ai.token.type", "input")));
            _activity?.SetTag("gen_ai.response.model", _modelId);
            _activity?.SetTag("gen_ai.usage.input_tokens", inputTokens);
        }

        public void Fail(Exception error)
        {
            _error = error.GetType().FullName;
            _activity?.SetTag("error.type", _error);
            _activity?.SetStatus(ActivityStatusCode.Error, error.Message);
        }

        public void Dispose()
        {
            _telemetry.OperationDuration.Record(
                Elapsed.TotalSeconds, _error is null ? Tags() : Tags(KeyValuePair.Create<string, object?>("error.type", _error)));
            _activity?.Dispose();
        }

        private TagList Tags(params ReadOnlySpan<KeyValuePair<string, object?>> more)
        {
            var tags = new TagList
            {
                { "gen_ai.operation.name", _name },
                { "gen_ai.provider.name", Provider },
                { "gen_ai.request.model", _modelId },
            };
            foreach (var tag in more)
                tags.Add(tag);
            return tags;
        }
    }
}
