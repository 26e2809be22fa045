using ChatGLM.Tensors;
using ChatGLM.Tokenizers;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace ChatGLM.Extensions.AI.Tests;

public sealed class DependencyInjectionTests(Snapshots snapshots) : IClassFixture<Snapshots>
{
    [Fact]
    public async Task A_model_loads_at_the_first_request_and_goes_with_the_container()
    {
        var snapshot = snapshots[ChatGLMGeneration.ChatGLM2];
        var services = new ServiceCollection().AddChatGLM(o =>
        {
            o.Model = snapshot.Path;
            o.MaxOutputTokens = 4;
        });
        SharedModel shared;
        IChatClient client;
        await using (var provider = services.BuildServiceProvider())
        {
            client = provider.GetRequiredService<IChatClient>();
            shared = provider.GetRequiredService<SharedModel>();
            client.GetService<SharedModel>().Should().BeSameAs(shared);
            provider.GetRequiredService<IEmbeddingGenerator<string, Embedding<float>>>().GetService<SharedModel>().Should().BeSameAs(shared, "one model is loaded once");
            shared.IsLoaded.Should().BeFalse();
            shared.ModelId.Should().Be(Path.GetFileName(snapshot.Path));
            (await client.GetResponseAsync("你好")).Usage!.OutputTokenCount.Should().BeInRange(1, 4);
            shared.IsLoaded.Should().BeTrue();
        }

        await client.Awaiting(c => c.GetResponseAsync("你好")).Should().ThrowAsync<ObjectDisposedException>();
    }

    [Fact]
    public async Task Several_models_live_side_by_side_under_their_keys()
    {
        using var other = new TinySnapshot(ChatGLMGeneration.ChatGLM2, seed: 8);
        var prepared = 0;
        await using var provider = new ServiceCollection()
            .AddKeyedChatGLM("a", o => o.Model = snapshots[ChatGLMGeneration.ChatGLM2].Path)
            .AddKeyedChatGLM("b", o =>
            {
                o.Model = other.Path;
                o.PrepareModel = _ => prepared++;
                o.ConfigureModel = how => how with { Dtype = DType.Float16 };
            })
            .AddChatGLM(o => o.Model = snapshots[ChatGLMGeneration.ChatGLM3].Path)
            .BuildServiceProvider();
        var options = new ChatOptions { Seed = 1, MaxOutputTokens = 20, Temperature = 20 };
        var answers = new List<string>();
        foreach (var client in new[] { provider.GetRequiredKeyedService<IChatClient>("a"), provider.GetRequiredKeyedService<IChatClient>("b"), provider.GetRequiredService<IChatClient>() })
            answers.Add((await client.GetResponseAsync("你好", options)).Text);
        answers.Should().OnlyHaveUniqueItems();
        prepared.Should().Be(1);
        var dtype = await provider.GetRequiredKeyedService<SharedModel>("b").RunAsync((model, _, _) => model.LoadReport!.Dtype);
        dtype.Should().Be(DType.Float16);
    }

    [Fact]
    public void Every_wrong_field_is_named_with_what_was_found_and_expected()
    {
        using var provider = new ServiceCollection().AddKeyedChatGLM("small", o =>
        {
            o.Temperature = -1;
            o.TopP = float.NaN;
            o.Dtype = DType.Int8;
            o.MaxQueueLength = -5;
            o.QuantizationBit = 3;
            o.MaxConcurrentRequests = 0;
            o.CacheTokens = 10;
            o.PrefillTokens = 0;
        }).BuildServiceProvider();
        var error = provider.Invoking(p => p.GetRequiredKeyedService<IChatClient>("small")).Should().Throw<OptionsValidationException>().Which;
        var failures = string.Join('\n', error.Failures);
        foreach (var field in new[] { "Model", "Temperature", "TopP", "Dtype", "MaxQueueLength", "QuantizationBit", "MaxConcurrentRequests", "CacheTokens", "PrefillTokens" })
            failures.Should().Contain($"small:{field}");
        failures.Should().Contain("found '-1', expected 0 to 100").And.Contain("found '-5', expected at least 0").And.NotContain("small:TopK");
        provider.GetRequiredService<IStartupValidator>().Invoking(v => v.Validate()).Should().Throw<OptionsValidationException>("it is found when the application starts");
    }

    [Fact]
    public void Options_without_a_container_are_checked_too() =>
        FluentActions.Invoking(() => new SharedModel(new ChatGLMOptions { MaxOutputTokens = 0 })).Should().Throw<OptionsValidationException>().WithMessage("*Model*MaxOutputTokens*");

    [Fact]
    public void A_configuration_section_is_read_field_by_field()
    {
        using var provider = new ServiceCollection().AddChatGLM(
            Section(new()
            {
                ["X:Model"] = "THUDM/chatglm3-6b", ["X:ModelId"] = "glm", ["X:Revision"] = "main", ["X:CacheDir"] = "/cache", ["X:LocalFilesOnly"] = "true", ["X:dtype"] = "bfloat16",
                ["X:Threads"] = "3", ["X:QuantizationBit"] = "8", ["X:MaxOutputTokens"] = "7", ["X:Temperature"] = "0.5", ["X:TopP"] = "0.25", ["X:TopK"] = "9", ["X:RepetitionPenalty"] = "1.5",
                ["X:MaxQueueLength"] = "2", ["X:MaxCachedConversations"] = "1", ["X:MaxConcurrentRequests"] = "3", ["X:PrefillTokens"] = "5", ["X:CacheTokens"] = "4096", ["X:CacheFormat"] = "int8",
            }),
            o => o.TopK = 10).BuildServiceProvider();
        var options = provider.GetRequiredService<IOptions<ChatGLMOptions>>().Value;
        options.Should().BeEquivalentTo(new ChatGLMOptions
        {
            Model = "THUDM/chatglm3-6b", ModelId = "glm", Revision = "main", CacheDir = "/cache", LocalFilesOnly = true, Dtype = DType.BFloat16, Threads = 3, QuantizationBit = 8, MaxOutputTokens = 7,
            Temperature = 0.5f, TopP = 0.25f, TopK = 10, RepetitionPenalty = 1.5f, MaxQueueLength = 2, MaxCachedConversations = 1, MaxConcurrentRequests = 3, PrefillTokens = 5, CacheTokens = 4096, CacheFormat = KeyValueFormat.Int8,
        });
    }

    [Theory]
    [InlineData("Temprature", "1", "*X:Temprature*Temperature*")]
    [InlineData("TopK", "many", "*X:TopK*'many'*whole number*")]
    [InlineData("TopP", "0,9", "*X:TopP*'0,9'*decimal point*")]
    [InlineData("Dtype", "int4", "*X:Dtype*'int4'*float16*")]
    [InlineData("CacheFormat", "int4", "*X:CacheFormat*'int4'*int8*")]
    [InlineData("ModelId:Name", "x", "*X:ModelId*section*")]
    public void A_key_or_value_that_means_nothing_is_refused(string key, string value, string message)
    {
        using var provider = new ServiceCollection().AddChatGLM(Section(new() { ["X:Model"] = "m", [$"X:{key}"] = value })).BuildServiceProvider();
        provider.Invoking(p => p.GetRequiredService<IChatClient>()).Should().Throw<OptionsValidationException>().WithMessage(message);
    }

    private static IConfigurationSection Section(Dictionary<string, string?> values) =>
        new ConfigurationBuilder().AddInMemoryCollection(values).Build().GetSection("X");
}
