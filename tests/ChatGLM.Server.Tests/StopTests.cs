using System.Net;
using ChatGLM.Samples.Server.Http;
using Microsoft.Extensions.DependencyInjection;
using static ChatGLM.Server.Tests.RunningServer;

namespace ChatGLM.Server.Tests;

/// <summary>How the server ends.</summary>
public sealed class StopTests
{
    private const string Path = "/v1/chat/completions";

    [Fact]
    public async Task Answers_under_way_end_and_new_ones_are_refused()
    {
        await using var server = await StartAsync();
        var inside = server.App.Services.GetRequiredService<RequestGate>();
        using var gate = new ManualResetEventSlim();
        var running = server.Model.RunAsync((_, _, cancellation) => gate.Wait(TimeSpan.FromSeconds(60), cancellation));
        var plain = server.AskAsync(Path, Question("你好", "\"max_tokens\": 3"));
        var stream = server.StreamAsync(Path, Question("你好", "\"max_tokens\": 3, \"stream\": true"));
        await LoadTests.Until(() => inside.Inside == 2);
        var stopping = server.App.StopAsync();
        await LoadTests.Until(() => !inside.IsOpen);

        using var refused = await server.SendAsync(Path, Question("你好"));
        (await ErrorAsync(refused, 503)).GetProperty("code").GetString().Should().Be("stopping");
        refused.Headers.RetryAfter!.Delta.Should().BePositive();
        using var health = await server.Http.GetAsync(new Uri("/health", UriKind.Relative));
        health.StatusCode.Should().Be(HttpStatusCode.ServiceUnavailable, "whoever spreads requests over servers must leave this one out");
        stopping.IsCompleted.Should().BeFalse();

        gate.Set();
        await running;
        TextOf(await plain).Should().NotBeNull();
        (await stream).Should().HaveCountGreaterThan(1);
        await stopping;
        await server.Awaiting(s => s.SendAsync(Path, Question("你好"))).Should().ThrowAsync<HttpRequestException>();
    }

    [Fact]
    public async Task What_does_not_end_in_time_is_cut_off_and_told_so()
    {
        await using var server = await StartAsync(s => (s["Server:ShutdownSeconds"], s["Model:MaxConcurrentRequests"]) = ("0.2", "1"), ChangedChatClient.Endless);
        using var stream = await server.SendAsync(Path, Question("你好", "\"stream\": true"), until: HttpCompletionOption.ResponseHeadersRead);
        var waiting = server.SendAsync(Path, Question("你好"));
        await LoadTests.Until(() => server.Model.QueueLength == 1);
        await server.App.StopAsync();
        Parse(Events(await stream.Content.ReadAsStringAsync())[^1]).GetProperty("error").GetProperty("code").GetString().Should().Be("stopping");
        using var refused = await waiting;
        (await ErrorAsync(refused, 503)).GetProperty("code").GetString().Should().Be("stopping");
    }
}
