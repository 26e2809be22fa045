using ChatGLM.Generation;
using ChatGLM.Peft;
using ChatGLM.Tensors;
using ChatGLM.Tokenizers;
using Microsoft.Extensions.AI;

namespace ChatGLM.Extensions.AI.Tests;

/// <summary>Requests that go through the model together.</summary>
public sealed class BatchingTests(Snapshots snapshots) : IClassFixture<Snapshots>
{
    [Theory]
    [MemberData(nameof(Snapshots.Generations), MemberType = typeof(Snapshots))]
    public async Task Chats_share_passes_and_a_short_room_only_makes_some_wait(ChatGLMGeneration generation)
    {
        using var plain = new SharedModel(snapshots[generation].Options());
        using var crowded = new SharedModel(snapshots[generation].Options(o => (o.CacheTokens, o.MaxConcurrentRequests) = (256, 12)));
        async Task<string[]> Ask(SharedModel shared)
        {
            using var client = new ChatGLMChatClient(shared);
            var how = new GenerationConfig { MaxNewTokens = 60, EosTokenId = [], DoSample = false };
            var chats = Enumerable.Range(0, 12).Select(i => client.GetResponseAsync($"你好 {i}", new ChatOptions { RawRepresentationFactory = _ => how }));
            return [.. (await Task.WhenAll(chats)).Select(response => response.Text)];
        }

        (await Ask(crowded)).Should().Equal(await Ask(plain));
        var (some, all) = (crowded.Statistics!, plain.Statistics!);
        all.GeneratedTokens.Should().Be(12 * 60);
        all.Passes.Should().BeLessThan(12 * 60 / 3, "a pass takes many answers further");
        some.CacheTokens.Should().Be(256);
        some.Passes.Should().BeGreaterThan(all.Passes);
    }

    [Fact]
    public async Task Adapters_share_passes_and_answer_as_they_do_one_after_the_other()
    {
        PeftModel? peft = null;
        ChatGLMOptions Options(bool sharesPasses) => snapshots[ChatGLMGeneration.ChatGLM2].Options(o =>
        {
            o.Adapters = ["a", "b"];
            o.PrepareModel = model =>
            {
                var config = new LoraConfig { R = 4, LoraAlpha = 64, TargetModules = ["query_key_value", "dense_h_to_4h"], InitLoraWeights = InitLoraWeights.Random };
                peft = model.GetPeftModel(config, "a");
                peft.AddAdapter("b", config);
                model.Eval();
            };
            if (sharesPasses)
                o.BatchAdapters = () => peft!.ForBatches();
            else
                o.SelectAdapter = name => peft!.SetAdapter(name is null ? [] : [name]);
        });
        var answers = new List<string[]>();
        var passes = new List<long>();
        foreach (var sharesPasses in new[] { false, true })
        {
            using var shared = new SharedModel(Options(sharesPasses));
            using var client = new ChatGLMChatClient(shared);
            await shared.LoadAsync();
            var asked = Enumerable.Range(0, 12).Select(i => client.GetResponseAsync($"你好 {i / 3}", new ChatOptions { ModelId = shared.ModelIds[i % 3], Seed = i, Temperature = 5 }));
            answers.Add([.. (await Task.WhenAll(asked)).Select(response => response.Text)]);
            passes.Add(shared.Statistics!.Passes);
        }

        answers[1].Should().Equal(answers[0]);
        answers[0].Distinct().Count().Should().BeGreaterThan(6);
        passes[1].Should().BeLessThan(passes[0]);
    }

    [Theory]
    [InlineData(KeyValueFormat.Float16)]
    [InlineData(KeyValueFormat.Int8)]
    public async Task A_smaller_cache_answers(KeyValueFormat format)
    {
        using var client = new ChatGLMChatClient(snapshots[ChatGLMGeneration.ChatGLM3].Options(o => o.CacheFormat = format));
        (await client.GetResponseAsync("你好")).Usage!.OutputTokenCount.Should().BePositive();
    }

    [Fact]
    public async Task A_beam_search_and_an_embedding_have_the_model_to_themselves_between_two_tokens_of_an_answer()
    {
        using var shared = new SharedModel(snapshots[ChatGLMGeneration.ChatGLM2].Options());
        using var client = new ChatGLMChatClient(shared);
        var beams = new ChatOptions { RawRepresentationFactory = _ => new GenerationConfig { MaxNewTokens = 5, NumBeams = 3, EosTokenId = [] } };
        var alone = (await client.GetResponseAsync("数据", beams)).Text;
        var completed = (await new ChatGLMCompletionClient(shared).CompleteAsync("数据", beams)).Text;
        using var generator = new ChatGLMEmbeddingGenerator(shared);
        var vector = (await generator.GenerateAsync(["你好"]))[0].Vector.ToArray();
        await using var answer = client.GetStreamingResponseAsync("你好", Slow.Endless).GetAsyncEnumerator();
        (await answer.MoveNextAsync()).Should().BeTrue();
        (await client.GetResponseAsync("数据", beams).WaitAsync(TimeSpan.FromSeconds(20))).Text.Should().Be(alone);
        (await new ChatGLMCompletionClient(shared).CompleteAsync("数据", beams)).Text.Should().Be(completed);
        (await generator.GenerateAsync(["你好"]).WaitAsync(TimeSpan.FromSeconds(20)))[0].Vector.ToArray().Should().Equal(vector);
        shared.Statistics!.Running.Should().Be(1);
        (await answer.MoveNextAsync()).Should().BeTrue();
    }

    [Fact]
    public async Task Instructions_that_many_share_are_read_once()
    {
        using var shared = new SharedModel(snapshots[ChatGLMGeneration.ChatGLM3].Options(o => o.MaxOutputTokens = 3));
        using var client = new ChatGLMChatClient(shared);
        var options = new ChatOptions { Instructions = string.Concat(Enumerable.Repeat("你好 数据 learning again ", 12)), Temperature = 0 };
        var first = await client.GetResponseAsync("你好", options);
        var others = await Task.WhenAll(Enumerable.Range(0, 6).Select(i => client.GetResponseAsync($"数据 {i}", options)));
        first.Usage!.CachedInputTokenCount.Should().Be(0);
        others.Should().OnlyContain(other => other.Usage!.CachedInputTokenCount > first.Usage.InputTokenCount / 2);
        await shared.ClearCacheAsync();
        (await client.GetResponseAsync("你好", options)).Usage!.CachedInputTokenCount.Should().Be(0);
    }
}
