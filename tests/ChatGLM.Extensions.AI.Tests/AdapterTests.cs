using ChatGLM.Models;
using ChatGLM.Peft;
using ChatGLM.Tokenizers;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using ChatOptions = Microsoft.Extensions.AI.ChatOptions;

namespace ChatGLM.Extensions.AI.Tests;

/// <summary>One model in memory, several adapters on it, and requests that each ask for one.</summary>
public sealed class AdapterTests(Snapshots snapshots) : IClassFixture<Snapshots>
{
    private readonly TinySnapshot _snapshot = snapshots[ChatGLMGeneration.ChatGLM2];

    [Fact]
    public async Task Each_request_gets_its_adapter_however_many_are_asked_at_once()
    {
        using var shared = new SharedModel(WithAdapters());
        using var client = new ChatGLMChatClient(shared);
        shared.ModelIds.Should().Equal("tiny", "a", "b");
        Task<string> Ask(string? model, int i) => TextAsync(client.GetResponseAsync($"你好 {i}", new ChatOptions { ModelId = model, Seed = i, Temperature = 5 }));
        var alone = new List<string>();
        for (var i = 0; i < 12; i++)
            alone.Add(await Ask(shared.ModelIds[i % 3], i));
        (await Task.WhenAll(Enumerable.Range(0, 12).Select(i => Ask(shared.ModelIds[i % 3], i)))).Should().Equal(alone);

        var same = new List<string>();
        foreach (var model in new[] { null, "tiny", "a", "b" })
            same.Add(await Ask(model, 1));
        same[0].Should().Be(same[1], "nothing said is the model without an adapter");
        same.Skip(1).Should().OnlyHaveUniqueItems();
        using var plain = new ChatGLMChatClient(_snapshot.Options());
        (await TextAsync(plain.GetResponseAsync("你好 1", new ChatOptions { Seed = 1, Temperature = 5 }))).Should().Be(same[0], "adapters leave the model itself as it was");
    }

    /// <summary>The cache of a conversation holds keys and values of one adapter. With a temperature of 0 the answer through a cache is that without.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(4)]
    public async Task A_conversation_that_goes_on_with_another_adapter_does_not_see_the_keys_of_the_first(int cached)
    {
        using var shared = new SharedModel(WithAdapters(o => o.MaxCachedConversations = cached));
        using var client = new ChatGLMChatClient(shared);
        async Task<(string Text, long Cached)> Ask(string model, long? seed)
        {
            List<ChatMessage> messages = [new(ChatRole.User, "你好 learning"), new(ChatRole.Assistant, "数据"), new(ChatRole.User, "again")];
            var response = await client.GetResponseAsync(messages, new ChatOptions { ModelId = model, Seed = seed, Temperature = 0 });
            return (response.Text, response.Usage!.CachedInputTokenCount!.Value);
        }

        string[] order = ["a", "b", "a", "tiny", "b", "tiny", "a"];
        var fresh = new Dictionary<string, string>();
        foreach (var model in order.Distinct())
            fresh[model] = (await Ask(model, 1)).Text;
        fresh.Values.Should().OnlyHaveUniqueItems();
        var seen = new HashSet<string>();
        foreach (var model in order)
        {
            var (text, cachedTokens) = await Ask(model, null);
            text.Should().Be(fresh[model], "{0}", model);
            if (seen.Add(model))
                cachedTokens.Should().Be(0, "nobody has asked {0} before", model);
        }
    }

    [Fact]
    public async Task Adapters_have_clients_of_their_own_by_key()
    {
        var options = WithAdapters();
        await using var provider = new ServiceCollection().AddChatGLM(o =>
        {
            (o.Model, o.ModelId, o.MaxOutputTokens) = (options.Model, options.ModelId, options.MaxOutputTokens);
            (o.Adapters, o.PrepareModel, o.SelectAdapter) = (options.Adapters, options.PrepareModel, options.SelectAdapter);
        }).AddChatGLMAdapter("a").AddChatGLMAdapter("b").BuildServiceProvider();
        var how = new ChatOptions { Seed = 1, Temperature = 5 };
        var answers = new List<string>();
        foreach (var client in new[] { provider.GetRequiredService<IChatClient>(), provider.GetRequiredKeyedService<IChatClient>("a"), provider.GetRequiredKeyedService<IChatClient>("b") })
        {
            client.GetService<SharedModel>().Should().BeSameAs(provider.GetRequiredService<SharedModel>(), "the model is loaded once");
            var response = await client.GetResponseAsync("你好", how);
            response.ModelId.Should().Be(client.GetService<ChatClientMetadata>()!.DefaultModelId);
            answers.Add(response.Text);
        }

        answers.Should().OnlyHaveUniqueItems();
        var vectors = new List<float[]>();
        foreach (var generator in new[] { provider.GetRequiredService<IEmbeddingGenerator<string, Embedding<float>>>(), provider.GetRequiredKeyedService<IEmbeddingGenerator<string, Embedding<float>>>("a") })
            vectors.Add((await generator.GenerateAsync(["你好"]))[0].Vector.ToArray());
        vectors[0].Should().NotEqual(vectors[1]);
    }

    [Fact]
    public async Task An_adapter_that_cannot_be_selected_fails_its_request_and_no_other()
    {
        var options = WithAdapters();
        var (select, isBroken) = (options.SelectAdapter!, true);
        options.SelectAdapter = name =>
        {
            select(name);
            if (name == "b" && isBroken)
                throw new InvalidOperationException("broken");
        };
        using var shared = new SharedModel(options);
        using var client = new ChatGLMChatClient(shared);
        Task<string> Ask(string model) => TextAsync(client.GetResponseAsync("你好", new ChatOptions { ModelId = model, Seed = 3, Temperature = 5 }));
        var before = await Ask("a");
        await client.Awaiting(_ => Ask("b")).Should().ThrowAsync<InvalidOperationException>();
        (await Ask("a")).Should().Be(before, "what was selected half way is not taken for what was selected before");
        isBroken = false;
        (await Ask("b")).Should().NotBe(before);
    }

    [Fact]
    public async Task A_model_that_is_not_there_is_refused_by_everyone_with_the_list_of_those_that_are()
    {
        using var shared = new SharedModel(WithAdapters());
        using var client = new ChatGLMChatClient(shared);
        const string Message = "*'c'*'tiny', 'a', 'b'*";
        await client.Awaiting(c => c.GetResponseAsync("你好", new ChatOptions { ModelId = "c" })).Should().ThrowAsync<UnsupportedOptionException>().WithMessage(Message);
        await shared.Awaiting(s => s.RunAsync("c", (_, _, _) => 0)).Should().ThrowAsync<UnsupportedOptionException>().WithMessage(Message);
        FluentActions.Invoking(() => new ChatGLMCompletionClient(shared, "c")).Should().Throw<UnsupportedOptionException>().WithMessage(Message);
        FluentActions.Invoking(() => new ChatGLMEmbeddingGenerator(shared, "c")).Should().Throw<UnsupportedOptionException>().WithMessage(Message);
    }

    [Fact]
    public void Names_must_differ_and_something_must_select_them()
    {
        var options = _snapshot.Options(o => o.Adapters = ["tiny", "a", "a", " "]);
        var error = FluentActions.Invoking(() => new SharedModel(options)).Should().Throw<OptionsValidationException>().Which;
        error.Failures.Should().HaveCount(4).And.Contain(f => f.Contains("SelectAdapter"));
    }

    /// <summary>Two LoRA adapters with random values, far from nothing.</summary>
    private ChatGLMOptions WithAdapters(Action<ChatGLMOptions>? configure = null)
    {
        PeftModel? peft = null;
        return _snapshot.Options(o =>
        {
            o.Adapters = ["a", "b"];
            o.PrepareModel = model =>
            {
                var config = new LoraConfig { R = 4, LoraAlpha = 64, TargetModules = ["query_key_value", "dense_h_to_4h"], InitLoraWeights = InitLoraWeights.Random };
                peft = model.GetPeftModel(config, "a");
                peft.AddAdapter("b", config);
            };
            o.SelectAdapter = name => peft!.SetAdapter(name is null ? [] : [name]);
            configure?.Invoke(o);
        });
    }

    private static async Task<string> TextAsync(Task<ChatResponse> response) => (await response).Text;
}
