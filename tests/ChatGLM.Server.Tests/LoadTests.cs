using static ChatGLM.Server.Tests.RunningServer;

namespace ChatGLM.Server.Tests;

/// <summary>Many requests, slow ones, and those whose client has gone.</summary>
public sealed class LoadTests
{
    private const string Path = "/v1/chat/completions";

    [Fact]
    public async Task Sixteen_chats_at_once_say_what_each_says_alone()
    {
        await using var server = await StartAsync();
        string[] questions = ["你好", "你是谁？", "Hello", "What is the capital of France?"];
        async Task<string> Ask(int i)
        {
            var request = Question(questions[i % 4], $"\"seed\": {i}, \"temperature\": 2, \"top_k\": 0, \"top_p\": 1, \"max_tokens\": 24" + (i % 2 == 0 ? ", \"stream\": true" : ""));
            if (i % 2 != 0)
                return TextOf(await server.AskAsync(Path, request));
            var events = await server.StreamAsync(Path, request);
            return string.Concat(events.Select(e => e.GetProperty("choices")[0].GetProperty("delta").TryGetProperty("content", out var text) ? text.GetString() : ""));
        }

        var alone = new List<string>();
        for (var i = 0; i < 16; i++)
            alone.Add(await Ask(i));
        alone.Distinct().Count().Should().BeGreaterThan(8, "the chats must be different to be mixed up");
        (await Task.WhenAll(Enumerable.Range(0, 16).Select(Ask))).Should().Equal(alone);
    }

    [Fact]
    public async Task A_full_queue_refuses_with_429_and_recovers()
    {
        await using var server = await StartAsync(s => s["Model:MaxQueueLength"] = "2");
        using var gate = new ManualResetEventSlim();
        var running = server.Model.RunAsync((_, _, cancellation) => gate.Wait(TimeSpan.FromSeconds(60), cancellation));
        var waiting = Enumerable.Range(0, 2).Select(_ => server.AskAsync(Path, Question("你好", "\"max_tokens\": 3"))).ToList();
        await Until(() => server.Model.QueueLength == 2);
        foreach (var stream in new[] { "false", "true" })
        {
            using var refused = await server.SendAsync(Path, Question("你好", $"\"stream\": {stream}"));
            (await ErrorAsync(refused, 429)).GetProperty("code").GetString().Should().Be("queue_full");
            refused.Headers.RetryAfter!.Delta.Should().BePositive();
        }

        gate.Set();
        (await running).Should().BeTrue();
        await Task.WhenAll(waiting);
        await server.AskAsync(Path, Question("你好", "\"max_tokens\": 3"));
    }

    [Fact]
    public async Task A_request_whose_time_is_over_while_it_waits_gets_408_and_leaves_the_queue()
    {
        await using var server = await StartAsync(s => s["Server:RequestTimeoutSeconds"] = "0.3");
        using var gate = new ManualResetEventSlim();
        var running = server.Model.RunAsync((_, _, cancellation) => gate.Wait(TimeSpan.FromSeconds(60), cancellation));
        foreach (var stream in new[] { "false", "true" })
        {
            var error = await server.RefusedAsync(Path, Question("你好", $"\"stream\": {stream}"), 408);
            error.GetProperty("code").GetString().Should().Be("timeout");
            error.GetProperty("message").GetString().Should().Contain("0.3 s");
        }

        server.Model.QueueLength.Should().Be(0);
        gate.Set();
        await running;
    }

    [Fact]
    public async Task A_stream_whose_time_is_over_ends_with_the_error_as_its_last_event()
    {
        await using var server = await StartAsync(s => s["Server:RequestTimeoutSeconds"] = "0.7", ChangedChatClient.Endless);
        using var response = await server.SendAsync(Path, Question("你好", "\"stream\": true"));
        ((int)response.StatusCode).Should().Be(200);
        var events = Events(await response.Content.ReadAsStringAsync());
        events.Should().NotContain("[DONE]").And.HaveCountGreaterThan(2);
        Parse(events[^1]).GetProperty("error").GetProperty("code").GetString().Should().Be("timeout");
        await Until(() => server.Model.QueueLength == 0);
    }

    [Theory]
    [InlineData("true")]
    [InlineData("false")]
    public async Task A_client_that_goes_frees_the_model(string stream)
    {
        await using var server = await StartAsync(configure: ChangedChatClient.Endless);
        using var leaving = new CancellationTokenSource();
        var asking = server.SendAsync(Path, Question("你好", $"\"stream\": {stream}"), until: HttpCompletionOption.ResponseHeadersRead, cancellationToken: leaving.Token);
        if (stream == "true")
        {
            using var response = await asking;
            await using var body = await response.Content.ReadAsStreamAsync();
            (await body.ReadAsync(new byte[10])).Should().BePositive();
        }
        else
        {
            await Until(() => InsideAsync(server).Result == 1);
            await leaving.CancelAsync();
            await asking.Awaiting(a => a).Should().ThrowAsync<OperationCanceledException>();
        }

        await Until(() => InsideAsync(server).Result == 0);
        (await server.Model.RunAsync((_, _, _) => 1)).Should().Be(1, "its turn comes although an answer of half a minute was under way");
    }

    [Fact]
    public async Task A_stream_that_waits_is_kept_alive()
    {
        await using var server = await StartAsync(s => s["Server:KeepAliveSeconds"] = "0.1");
        using var gate = new ManualResetEventSlim();
        var running = server.Model.RunAsync((_, _, cancellation) => gate.Wait(TimeSpan.FromSeconds(60), cancellation));
        using var response = await server.SendAsync(Path, Question("你好", "\"stream\": true, \"max_tokens\": 3"), until: HttpCompletionOption.ResponseHeadersRead);
        ((int)response.StatusCode).Should().Be(200, "headers come with the first sign of life");
        gate.Set();
        await running;
        var body = await response.Content.ReadAsStringAsync();
        body.Should().StartWith(": keep-alive\n\n");
        Events(body)[^1].Should().Be("[DONE]");
    }

    private static async Task<int> InsideAsync(RunningServer server) =>
        Parse(await server.Http.GetStringAsync(new Uri("/health", UriKind.Relative))).GetProperty("requests").GetInt32();

    /// <summary>Waits until something is so; a test that waits in vain fails.</summary>
    internal static async Task Until(Func<bool> isSo)
    {
        for (var i = 0; i < 600; i++)
        {
            if (isSo())
                return;
            await Task.Delay(50);
        }

        throw new TimeoutException("Waited 30 s in vain.");
    }
}
