using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using static ChatGLM.Server.Tests.RunningServer;

namespace ChatGLM.Server.Tests;

/// <summary>What an operator sees: metrics, logs, and nothing of what people say.</summary>
public sealed class MetricsTests
{
    [Fact]
    public async Task Metrics_count_what_was_asked_and_said()
    {
        await using var other = await StartAsync();
        await using var server = await StartAsync();
        await other.AskAsync("/v1/chat/completions", Question("你好", "\"max_tokens\": 5"));
        await server.AskAsync("/v1/chat/completions", Question("What is the capital of France?", "\"max_tokens\": 2"));
        await server.RefusedAsync("/v1/chat/completions", "{", 400);
        var text = await server.Http.GetStringAsync(new Uri("/metrics", UriKind.Relative));
        double Value(string line) => double.Parse(text.Split('\n').Single(l => l.StartsWith(line + " ", StringComparison.Ordinal))[(line.Length + 1)..], CultureInfo.InvariantCulture);
        Value("""gen_ai_client_token_usage_sum{gen_ai_operation_name="chat",gen_ai_provider_name="chatglm",gen_ai_request_model="chatglm-demo",gen_ai_token_type="output"}""").Should().Be(2, "the other server has metrics of its own");
        Value("""gen_ai_client_token_usage_bucket{gen_ai_operation_name="chat",gen_ai_provider_name="chatglm",gen_ai_request_model="chatglm-demo",gen_ai_token_type="output",le="1"}""").Should().Be(0);
        Value("""gen_ai_client_token_usage_bucket{gen_ai_operation_name="chat",gen_ai_provider_name="chatglm",gen_ai_request_model="chatglm-demo",gen_ai_token_type="output",le="4"}""").Should().Be(1);
        Value("""gen_ai_client_operation_duration_seconds_count{gen_ai_operation_name="chat",gen_ai_provider_name="chatglm",gen_ai_request_model="chatglm-demo"}""").Should().Be(1);
        Value("""chatglm_queue_length{gen_ai_request_model="chatglm-demo"}""").Should().Be(0);
        text.Should().MatchRegex("http_server_request_duration_seconds_count\\{[^}]*http_response_status_code=\"400\"[^}]*\\} 1\n").And.Contain("# TYPE gen_ai_client_token_usage histogram").And.Contain("# TYPE chatglm_queue_length gauge");
        foreach (var line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries))
            line.Should().MatchRegex("^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\\{[a-z_]+=\"[^\"]*\"(,[a-z_]+=\"[^\"]*\")*\\})? [0-9.eE+-]+)$");
    }

    [Fact]
    public async Task The_log_has_a_line_for_each_request_with_its_id_and_nothing_of_what_was_said()
    {
        var logs = new Lines();
        await using var server = await StartAsync(s => s["Server:ApiKey"] = "sk-secret-key", services => services.AddLogging(l => l.AddProvider(logs).SetMinimumLevel(LogLevel.Trace)));
        using var refused = await server.SendAsync("/v1/chat/completions", Question("hidden words"));
        server.Http.DefaultRequestHeaders.Authorization = new("Bearer", "sk-secret-key");
        using var answered = await server.SendAsync("/v1/chat/completions", Question("hidden words", "\"max_tokens\": 2"));
        var id = answered.Headers.GetValues("x-request-id").Single();
        var own = logs.All.Where(l => l.StartsWith("ChatGLM", StringComparison.Ordinal)).ToList();
        own.Should().ContainSingle(l => l.Contains($"POST /v1/chat/completions 200 in") && l.Contains(id)).And.ContainSingle(l => l.Contains("POST /v1/chat/completions 401 in"));
        logs.All.Should().NotContain(l => l.Contains("hidden words")).And.NotContain(l => l.Contains("sk-secret-key"));
        var answer = Parse(await answered.Content.ReadAsStringAsync());
        own.Should().Contain(l => l.Contains(answer.GetProperty("id").GetString()!) && l.Contains("2 written"));
    }

    private sealed class Lines : ILoggerProvider
    {
        private readonly List<string> _lines = [];

        public IReadOnlyList<string> All
        {
            get
            {
                lock (_lines)
                    return [.. _lines];
            }
        }

        public ILogger CreateLogger(string categoryName) => new Writer(this, categoryName);

        public void Dispose()
        {
        }

        private sealed class Writer(Lines lines, string category) : ILogger
        {
            public IDisposable? BeginScope<TState>(TState state)
                where TState : notnull => null;

            public bool IsEnabled(LogLevel logLevel) => true;

            public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
            {
                lock (lines._lines)
                    lines._lines.Add($"{category}: {formatter(state, exception)} {exception}");
            }
        }
    }
}
