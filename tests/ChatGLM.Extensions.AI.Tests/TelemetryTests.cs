using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using ChatGLM.Tokenizers;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;

namespace ChatGLM.Extensions.AI.Tests;

public sealed class TelemetryTests(Snapshots snapshots) : IClassFixture<Snapshots>
{
    [Fact]
    public async Task A_chat_gives_a_span_metrics_and_a_log_without_what_was_said()
    {
        // Other tests run beside this one: the name tells its own.
        var name = $"tiny-{Guid.NewGuid():N}";
        using var telemetry = new Recorder(name);
        using var logs = new LogRecorder();
        using var shared = new SharedModel(snapshots[ChatGLMGeneration.ChatGLM2].Options(o => o.ModelId = name), logs);
        using var client = new ChatGLMChatClient(shared);
        using var outer = new Activity("outer").Start();
        var response = await client.GetResponseAsync(
            "secret question", new ChatOptions { Seed = 5, Temperature = 20, MaxOutputTokens = 9, StopSequences = ["§"], RawRepresentationFactory = _ => new Generation.GenerationConfig { EosTokenId = [] } });

        var span = telemetry.Spans.Should().ContainSingle().Which;
        span.DisplayName.Should().Be($"chat {name}");
        span.ParentId.Should().Be(outer.Id);
        Activity.Current.Should().BeSameAs(outer);
        span.Status.Should().Be(ActivityStatusCode.Unset);
        var tags = span.TagObjects.ToDictionary(t => t.Key, t => t.Value);
        tags.Should().Contain(new Dictionary<string, object?>
        {
            ["gen_ai.operation.name"] = "chat", ["gen_ai.provider.name"] = "chatglm", ["gen_ai.request.model"] = name, ["gen_ai.request.seed"] = 5L, ["gen_ai.request.max_tokens"] = 9,
            ["gen_ai.response.model"] = name, ["gen_ai.response.id"] = response.ResponseId, ["gen_ai.usage.output_tokens"] = 9,
            ["gen_ai.usage.input_tokens"] = (int)response.Usage!.InputTokenCount!.Value,
        });
        tags["gen_ai.response.finish_reasons"].Should().BeEquivalentTo(new[] { "length" });
        tags["gen_ai.request.stop_sequences"].Should().BeEquivalentTo(new[] { "§" });

        telemetry.Of(ChatGLMTelemetry.TokenUsage, "gen_ai.token.type", "input").Should().Equal(response.Usage.InputTokenCount!.Value);
        telemetry.Of(ChatGLMTelemetry.TokenUsage, "gen_ai.token.type", "output").Should().Equal(9);
        foreach (var metric in new[] { ChatGLMTelemetry.OperationDuration, ChatGLMTelemetry.TimeToFirstToken, ChatGLMTelemetry.TimePerOutputToken, ChatGLMTelemetry.QueueDuration })
            telemetry.Of(metric, "gen_ai.operation.name", "chat").Should().ContainSingle(metric).Which.Should().BePositive().And.BeLessThan(60);
        logs.Lines.Should().Contain(l => l.Contains("Loaded the model")).And.Contain(l => l.Contains("9 written")).And.NotContain(l => l.Contains("secret"));
    }

    [Fact]
    public async Task A_failed_request_names_its_error()
    {
        var name = $"tiny-{Guid.NewGuid():N}";
        using var telemetry = new Recorder(name);
        using var client = new ChatGLMChatClient(snapshots[ChatGLMGeneration.ChatGLM2].Options(o => o.ModelId = name));
        await client.Awaiting(c => c.GetResponseAsync("x", new ChatOptions { TopK = -1 })).Should().ThrowAsync<UnsupportedOptionException>();
        var span = telemetry.Spans.Should().ContainSingle().Which;
        span.Status.Should().Be(ActivityStatusCode.Error);
        span.GetTagItem("error.type").Should().Be(typeof(UnsupportedOptionException).FullName);
        telemetry.Of(ChatGLMTelemetry.OperationDuration, "error.type", typeof(UnsupportedOptionException).FullName!).Should().ContainSingle();
    }

    private sealed class Recorder : IDisposable
    {
        private readonly ActivityListener _listener;
        private readonly MeterListener _meters = new();
        private readonly ConcurrentQueue<(string Metric, double Value, Dictionary<string, object?> Tags)> _measured = new();
        private readonly string _model;

        public Recorder(string model)
        {
            _model = model;
            _listener = new ActivityListener
            {
                ShouldListenTo = source => source.Name == ChatGLMTelemetry.SourceName,
                Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
                ActivityStopped = span =>
                {
                    if (span.GetTagItem("gen_ai.request.model") as string == _model)
                        Spans.Enqueue(span);
                },
            };
            ActivitySource.AddActivityListener(_listener);
            _meters.InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Name == ChatGLMTelemetry.SourceName)
                    listener.EnableMeasurementEvents(instrument);
            };
            _meters.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Add(instrument, value, tags));
            _meters.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Add(instrument, value, tags));
            _meters.Start();
        }

        public ConcurrentQueue<Activity> Spans { get; } = new();

        public double[] Of(string metric, string tag, string value) => [.. _measured.Where(m => m.Metric == metric && m.Tags.GetValueOrDefault(tag) as string == value).Select(m => m.Value)];

        public void Dispose()
        {
            _listener.Dispose();
            _meters.Dispose();
        }

        private void Add(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            var all = tags.ToArray().ToDictionary(t => t.Key, t => t.Value);
            if (all["gen_ai.request.model"] as string == _model)
                _measured.Enqueue((instrument.Name, value, all));
        }
    }

    private sealed class LogRecorder : ILoggerFactory, ILogger
    {
        public ConcurrentQueue<string> Lines { get; } = new();

        public ILogger CreateLogger(string categoryName) => this;

        public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) => Lines.Enqueue(formatter(state, exception));

        public void Dispose()
        {
        }
    }
}
