using System.Diagnostics;
using ChatGLM.Tokenizers;
using Microsoft.Extensions.AI;

namespace ChatGLM.Extensions.AI.Tests;

public sealed class ConcurrencyTests(Snapshots snapshots) : IClassFixture<Snapshots>
{
    [Theory]
    [MemberData(nameof(Snapshots.Generations), MemberType = typeof(Snapshots))]
    public async Task Sixteen_chats_at_once_say_what_each_says_alone(ChatGLMGeneration generation)
    {
        using var shared = new SharedModel(snapshots[generation].Options());
        using var client = new ChatGLMChatClient(shared);
        Task<string> Ask(int i) => TextAsync(client, $"你好 {i} learning", new ChatOptions { Seed = 100 + i, Temperature = 20 });
        var alone = new List<string>();
        for (var i = 0; i < 16; i++)
            alone.Add(await Ask(i));
        alone.Distinct().Count().Should().BeGreaterThan(12, "the chats must be different to be mixed up");

        // Others without a seed come in between, and use the caches.
        var noise = Enumerable.Range(0, 8).Select(i => client.GetResponseAsync($"数据 {i}", new ChatOptions { Temperature = 1 })).ToArray();
        var crowd = await Task.WhenAll(Enumerable.Range(0, 16).Select(Ask));
        await Task.WhenAll(noise);
        crowd.Should().Equal(alone);
    }

    [Fact]
    public async Task Requests_are_answered_in_the_order_in_which_they_came()
    {
        using var shared = new SharedModel(snapshots[ChatGLMGeneration.ChatGLM2].Options());
        var order = new List<int>();
        using var gate = new ManualResetEventSlim();
        var first = shared.RunAsync((_, _, cancellation) => gate.Wait(TimeSpan.FromSeconds(30), cancellation));
        var tasks = Enumerable.Range(0, 20).Select(i => shared.RunAsync((_, _, _) =>
        {
            order.Add(i);
            return i;
        })).ToArray();
        shared.QueueLength.Should().Be(20);
        gate.Set();
        await Task.WhenAll(tasks);
        (await first).Should().BeTrue();
        order.Should().BeInAscendingOrder().And.HaveCount(20);
        shared.QueueLength.Should().Be(0);
    }

    [Fact]
    public async Task A_full_queue_refuses_and_recovers()
    {
        using var shared = new SharedModel(snapshots[ChatGLMGeneration.ChatGLM2].Options(o => o.MaxQueueLength = 1));
        using var client = new ChatGLMChatClient(shared);
        using var gate = new ManualResetEventSlim();
        var running = shared.RunAsync((_, _, cancellation) => gate.Wait(TimeSpan.FromSeconds(30), cancellation));
        var waiting = client.GetResponseAsync("你好");
        await client.Awaiting(c => c.GetResponseAsync("数据")).Should().ThrowAsync<ModelBusyException>().WithMessage("*'tiny'*MaxQueueLength*");
        gate.Set();
        await running;
        (await waiting).Usage!.OutputTokenCount.Should().BePositive();
        (await client.GetResponseAsync("数据")).Usage!.OutputTokenCount.Should().BePositive();
    }

    [Fact]
    public async Task Cancelling_ends_an_answer_within_a_token_and_a_wait_at_once()
    {
        using var shared = new SharedModel(snapshots[ChatGLMGeneration.ChatGLM3].Options());
        using var client = new ChatGLMChatClient(shared);
        using var stopAnswer = new CancellationTokenSource();
        using var stopWait = new CancellationTokenSource();
        var begun = new TaskCompletionSource();
        var answering = Task.Run(async () =>
        {
            await foreach (var _ in client.GetStreamingResponseAsync("你好", Slow.Endless, stopAnswer.Token))
                begun.TrySetResult();
        });
        await begun.Task.WaitAsync(TimeSpan.FromSeconds(30));
        var waiting = client.GetResponseAsync("数据", null, stopWait.Token);
        var clock = Stopwatch.StartNew();
        await stopWait.CancelAsync();
        await waiting.Awaiting(t => t).Should().ThrowAsync<OperationCanceledException>();
        answering.IsCompleted.Should().BeFalse("only the wait was ended");
        await stopAnswer.CancelAsync();
        await answering.Awaiting(t => t).Should().ThrowAsync<OperationCanceledException>();
        clock.Elapsed.Should().BeLessThan(TimeSpan.FromSeconds(5));
        shared.QueueLength.Should().Be(0);
        (await client.GetResponseAsync("你好")).Usage!.OutputTokenCount.Should().BePositive();
    }

    [Fact]
    public async Task Ending_a_stream_early_lets_the_next_one_in()
    {
        using var client = new ChatGLMChatClient(snapshots[ChatGLMGeneration.ChatGLM2].Options());
        await foreach (var _ in client.GetStreamingResponseAsync("你好", Slow.Endless))
            break;
        var clock = Stopwatch.StartNew();
        await client.GetResponseAsync("你好");
        clock.Elapsed.Should().BeLessThan(TimeSpan.FromSeconds(5));
    }

    [Fact]
    public async Task A_reader_who_stops_reading_does_not_hold_the_model()
    {
        using var client = new ChatGLMChatClient(snapshots[ChatGLMGeneration.ChatGLM2].Options());
        await using var idle = client.GetStreamingResponseAsync("你好").GetAsyncEnumerator();
        (await idle.MoveNextAsync()).Should().BeTrue();
        var other = client.GetResponseAsync("数据");
        (await other.WaitAsync(TimeSpan.FromSeconds(20))).Usage!.OutputTokenCount.Should().BePositive();
    }

    [Fact]
    public async Task Disposing_ends_the_answer_under_way_and_sends_the_others_away()
    {
        var shared = new SharedModel(snapshots[ChatGLMGeneration.ChatGLM2].Options());
        using var client = new ChatGLMChatClient(shared);
        var begun = new TaskCompletionSource();
        var answering = Task.Run(async () =>
        {
            await foreach (var _ in client.GetStreamingResponseAsync("你好", Slow.Endless))
                begun.TrySetResult();
        });
        await begun.Task.WaitAsync(TimeSpan.FromSeconds(30));
        var waiting = client.GetResponseAsync("数据");
        var clock = Stopwatch.StartNew();
        await shared.DisposeAsync();
        shared.Dispose();
        await answering.Awaiting(t => t).Should().ThrowAsync<ObjectDisposedException>();
        await waiting.Awaiting(t => t).Should().ThrowAsync<ObjectDisposedException>();
        await client.Awaiting(c => c.GetResponseAsync("你好")).Should().ThrowAsync<ObjectDisposedException>();
        clock.Elapsed.Should().BeLessThan(TimeSpan.FromSeconds(5));
    }

    [Fact]
    public async Task A_model_that_cannot_be_loaded_fails_each_request_and_a_repaired_one_loads()
    {
        using var snapshot = new TinySnapshot(ChatGLMGeneration.ChatGLM2);
        var config = Path.Combine(snapshot.Path, "config.json");
        File.Move(config, config + ".away");
        using var shared = new SharedModel(snapshot.Options());
        for (var i = 0; i < 2; i++)
            await shared.Awaiting(s => s.LoadAsync()).Should().ThrowAsync<ChatGLMException>();
        File.Move(config + ".away", config);
        await shared.LoadAsync();
        shared.IsLoaded.Should().BeTrue();
    }

    private static async Task<string> TextAsync(IChatClient client, string question, ChatOptions options)
    {
        var text = "";
        await foreach (var update in client.GetStreamingResponseAsync(question, options))
            text += update.Text;
        return text;
    }
}
