using System.Text;
using ChatGLM.Chat;
using ChatGLM.Generation;
using ChatGLM.Models;
using ChatGLM.Tokenizers;
using Microsoft.Extensions.AI;
using ChatMessage = Microsoft.Extensions.AI.ChatMessage;
using ChatOptions = Microsoft.Extensions.AI.ChatOptions;
using ChatResponse = Microsoft.Extensions.AI.ChatResponse;
using ChatRole = Microsoft.Extensions.AI.ChatRole;

namespace ChatGLM.Extensions.AI.Tests;

public sealed class ChatClientTests(Snapshots snapshots) : IClassFixture<Snapshots>
{
    [Theory]
    [MemberData(nameof(Snapshots.Generations), MemberType = typeof(Snapshots))]
    public async Task Streamed_pieces_put_together_are_the_whole(ChatGLMGeneration generation)
    {
        using var client = new ChatGLMChatClient(snapshots[generation].Options());
        var options = new ChatOptions { Seed = 3, Temperature = 20 }; // random weights repeat themselves when cool
        var updates = new List<ChatResponseUpdate>();
        await foreach (var update in client.GetStreamingResponseAsync("你好", options))
            updates.Add(update);
        var whole = await client.GetResponseAsync("你好", options);

        string.Concat(updates.Select(u => u.Text)).Should().Be(whole.Text);
        updates.Count(u => u.Text.Length > 0).Should().BeGreaterThan(1, "a stream comes in pieces");
        updates[^1].FinishReason.Should().Be(whole.FinishReason);
        updates[..^1].Should().OnlyContain(u => u.FinishReason == null);
        updates.Select(u => u.ResponseId).Distinct().Should().ContainSingle();
        whole.ModelId.Should().Be("tiny");
        whole.Messages.Should().ContainSingle().Which.Role.Should().Be(ChatRole.Assistant);
    }

    [Theory]
    [MemberData(nameof(Snapshots.Generations), MemberType = typeof(Snapshots))]
    public async Task An_answer_is_the_one_that_the_model_gives_without_the_client(ChatGLMGeneration generation)
    {
        var folder = snapshots[generation].Path;
        using var client = new ChatGLMChatClient(snapshots[generation].Options());
        using var model = AutoModel.FromPretrained(folder);
        var tokenizer = AutoTokenizer.FromPretrained(folder);
        foreach (var (query, seed) in new[] { ("你好", 1L), ("数据 learning", 2), ("again, again", 3) })
        {
            var direct = model.Chat(tokenizer, query, options: new Models.ChatOptions
            {
                RawResponse = true,
                Generation = model.ChatGenerationConfig with { MaxNewTokens = 24, Seed = seed, Temperature = 20 },
            });
            var response = await client.GetResponseAsync(query, new ChatOptions { Seed = seed, Temperature = 20 });
            response.Text.Should().NotBeEmpty();
            var text = new StreamingResponseText(generation);
            response.Text.Should().Be(text.Append(direct.Content) + text.Flush());
            response.Usage!.InputTokenCount.Should().Be(direct.PromptTokens);
            response.Usage.OutputTokenCount.Should().Be(direct.CompletionTokens);
            response.Usage.TotalTokenCount.Should().Be(direct.PromptTokens + direct.CompletionTokens);
            response.FinishReason.Should().Be(direct.FinishReason == FinishReason.Length ? ChatFinishReason.Length : ChatFinishReason.Stop);
        }
    }

    [Theory]
    [MemberData(nameof(Snapshots.Generations), MemberType = typeof(Snapshots))]
    public async Task Messages_and_instructions_become_the_models_own_prompt(ChatGLMGeneration generation)
    {
        var snapshot = snapshots[generation];
        var tokenizer = AutoTokenizer.FromPretrained(snapshot.Path);
        using var client = new ChatGLMChatClient(snapshot.Options());
        var script = Script.Says(tokenizer, "好");
        ChatMessage[] messages = [new(ChatRole.System, "你是数据"), new(ChatRole.User, "你好"), new(ChatRole.Assistant, "好"), new(ChatRole.User, "数据")];
        await client.GetResponseAsync(messages, script.Options(new ChatOptions { Instructions = "learn" }));

        var history = new ChatHistory();
        if (generation == ChatGLMGeneration.ChatGLM3)
            history.AddSystem("learn\n你是数据").AddUser("你好").AddAssistant("好");
        else
            history.AddUser("learn\n你是数据\n\n你好").AddAssistant("好");
        script.Prompt.Should().Equal(tokenizer.BuildChatInput("数据", history));
    }

    [Fact]
    public async Task Messages_of_one_side_in_a_row_become_one_where_the_model_knows_rounds_only()
    {
        var snapshot = snapshots[ChatGLMGeneration.ChatGLM2];
        var tokenizer = AutoTokenizer.FromPretrained(snapshot.Path);
        using var client = new ChatGLMChatClient(snapshot.Options());
        var script = Script.Says(tokenizer, "好");
        await client.GetResponseAsync([new(ChatRole.Assistant, "你好"), new(ChatRole.User, "数据"), new(ChatRole.User, "learning")], script.Options());
        script.Prompt.Should().Equal(tokenizer.BuildChatInput("数据\nlearning", new ChatHistory().AddUser("").AddAssistant("你好")));
    }

    [Fact]
    public async Task A_stop_sequence_ends_the_answer_and_is_not_part_of_it()
    {
        var snapshot = snapshots[ChatGLMGeneration.ChatGLM2];
        using var client = new ChatGLMChatClient(snapshot.Options());
        var script = Script.Says(AutoTokenizer.FromPretrained(snapshot.Path), "数据 learning 你好 again");
        var response = await client.GetResponseAsync("你好", script.Options(new ChatOptions { StopSequences = ["你好 x", "ing 你"] }));
        response.Text.Should().Be("数据 learn");
        response.FinishReason.Should().Be(ChatFinishReason.Stop);
    }

    [Fact]
    public async Task Temperature_0_takes_the_best_token_and_length_is_told()
    {
        using var client = new ChatGLMChatClient(snapshots[ChatGLMGeneration.ChatGLM3].Options());
        var options = new ChatOptions { Temperature = 0, MaxOutputTokens = 5, RawRepresentationFactory = _ => new GenerationConfig { EosTokenId = [] } };
        var first = await client.GetResponseAsync("你好", options);
        var second = await client.GetResponseAsync("你好", options);
        second.Text.Should().Be(first.Text);
        first.FinishReason.Should().Be(ChatFinishReason.Length);
        first.Usage!.OutputTokenCount.Should().Be(5);
    }

    [Fact]
    public async Task The_next_turn_reads_only_what_is_new()
    {
        using var client = new ChatGLMChatClient(snapshots[ChatGLMGeneration.ChatGLM2].Options());
        List<ChatMessage> messages = [new(ChatRole.User, "你好")];
        var first = await client.GetResponseAsync(messages, new ChatOptions { Temperature = 0 });
        first.Usage!.CachedInputTokenCount.Should().Be(0);
        messages.AddMessages(first);
        messages.Add(new ChatMessage(ChatRole.User, "数据"));
        await client.GetResponseAsync("another conversation", new ChatOptions { Temperature = 0 });
        var second = await client.GetResponseAsync(messages, new ChatOptions { Temperature = 0 });
        second.Usage!.CachedInputTokenCount.Should().BeGreaterThanOrEqualTo(first.Usage.InputTokenCount!.Value);

        using var fresh = new ChatGLMChatClient(snapshots[ChatGLMGeneration.ChatGLM2].Options(o => o.MaxCachedConversations = 0));
        var uncached = await fresh.GetResponseAsync(messages, new ChatOptions { Temperature = 0 });
        uncached.Usage!.CachedInputTokenCount.Should().Be(0);
        uncached.Text.Should().Be(second.Text);
    }

    public static TheoryData<string, ChatOptions> Unsupported => new()
    {
        { "ResponseFormat", new ChatOptions { ResponseFormat = ChatResponseFormat.Json } },
        { "ConversationId", new ChatOptions { ConversationId = "7" } },
        { "ModelId", new ChatOptions { ModelId = "gpt" } },
        { "Temperature", new ChatOptions { Temperature = -1 } },
        { "TopP", new ChatOptions { TopP = 1.5f } },
        { "TopK", new ChatOptions { TopK = -1 } },
        { "MaxOutputTokens", new ChatOptions { MaxOutputTokens = 0 } },
        { "PresencePenalty", new ChatOptions { PresencePenalty = 3 } },
        { "StopSequences", new ChatOptions { StopSequences = [""] } },
        { "repetition_penalty", new ChatOptions { AdditionalProperties = new() { ["repetition_penalty"] = "much" } } },
        { "Tools", new ChatOptions { Tools = [AIFunctionFactory.Create(() => 1, "one")] } },
    };

    [Theory]
    [MemberData(nameof(Unsupported))]
    public async Task An_option_that_cannot_be_met_is_refused_by_name(string option, ChatOptions options)
    {
        using var client = new ChatGLMChatClient(snapshots[ChatGLMGeneration.ChatGLM2].Options());
        var error = (await client.Awaiting(c => c.GetResponseAsync("你好", options)).Should().ThrowAsync<UnsupportedOptionException>()).Which;
        error.Option.Should().Be(option);
        error.Message.Should().Contain(option);
    }

    public static TheoryData<ChatMessage[], string> BadMessages => new()
    {
        { [], "The last message is missing*" },
        { [new(ChatRole.User, "x"), new(ChatRole.Assistant, "y")], "The last message is of the role assistant*" },
        { [new(ChatRole.User, [new DataContent(new byte[] { 1 }, "image/png")])], "Message 0*image/png*" },
        { [new(new ChatRole("wizard"), "x")], "Message 0*wizard*" },
        { [new(ChatRole.User, "x"), new(ChatRole.Tool, [new FunctionResultContent("1", "y")])], "Message 1*ChatGLM2*tool's result*" },
    };

    [Theory]
    [MemberData(nameof(BadMessages))]
    public async Task Messages_that_the_model_has_no_form_for_are_refused(ChatMessage[] messages, string expected)
    {
        using var client = new ChatGLMChatClient(snapshots[ChatGLMGeneration.ChatGLM2].Options());
        await client.Awaiting(c => c.GetResponseAsync(messages)).Should().ThrowAsync<ChatFormatException>().WithMessage(expected);
    }

    [Fact]
    public async Task A_prompt_that_is_too_long_is_refused_and_the_next_is_answered()
    {
        using var client = new ChatGLMChatClient(snapshots[ChatGLMGeneration.ChatGLM2].Options());
        await client.Awaiting(c => c.GetResponseAsync(new string('好', 2000))).Should().ThrowAsync<PromptTooLongException>();
        (await client.GetResponseAsync("你好")).Usage!.OutputTokenCount.Should().BePositive();
    }

    [Fact]
    public void Services_are_found_by_type()
    {
        using var client = new ChatGLMChatClient(snapshots[ChatGLMGeneration.ChatGLM2].Options());
        client.GetService<ChatClientMetadata>()!.DefaultModelId.Should().Be("tiny");
        client.GetService<SharedModel>()!.IsLoaded.Should().BeFalse("nothing was asked yet");
        client.GetService<IChatClient>().Should().BeSameAs(client);
        client.GetService<string>().Should().BeNull();
    }
}
