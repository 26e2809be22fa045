using ChatGLM.Models;
using ChatGLM.Tokenizers;
using Microsoft.Extensions.AI;
using ChatOptions = Microsoft.Extensions.AI.ChatOptions;

namespace ChatGLM.Extensions.AI.Tests;

/// <summary>Texts continued as they are, without a chat's form.</summary>
public sealed class CompletionTests(Snapshots snapshots) : IClassFixture<Snapshots>
{
    [Theory]
    [MemberData(nameof(Snapshots.Generations), MemberType = typeof(Snapshots))]
    public async Task A_text_goes_on_as_generate_says(ChatGLMGeneration generation)
    {
        using var shared = new SharedModel(snapshots[generation].Options());
        var client = new ChatGLMCompletionClient(shared);
        var options = new ChatOptions { Seed = 4, Temperature = 5, MaxOutputTokens = 12 };
        var response = await client.CompleteAsync("数据 learning", options);
        var expected = await shared.RunAsync((model, tokenizer, cancellation) => model.Generate(
            tokenizer, "数据 learning", model.ChatGenerationConfig with { DoSample = true, Temperature = 5, Seed = 4, MaxNewTokens = 12 }, cancellation));
        response.Text.Should().Be(expected.Text);
        response.Usage!.InputTokenCount.Should().Be(expected.PromptTokens);
        response.Usage.OutputTokenCount.Should().Be(expected.CompletionTokens);
        response.FinishReason.Should().Be(expected.CompletionTokens == 12 ? ChatFinishReason.Length : ChatFinishReason.Stop);

        var pieces = new List<string>();
        await foreach (var update in client.CompleteStreamingAsync("数据 learning", options))
            pieces.Add(update.Text);
        string.Concat(pieces).Should().Be(response.Text);
        pieces.Count(p => p.Length > 0).Should().BeGreaterThan(1);
    }

    [Fact]
    public async Task A_stop_sequence_ends_the_text_and_is_left_out()
    {
        using var shared = new SharedModel(snapshots[ChatGLMGeneration.ChatGLM3].Options());
        var tokenizer = AutoTokenizer.FromPretrained(snapshots[ChatGLMGeneration.ChatGLM3].Path);
        var response = await new ChatGLMCompletionClient(shared).CompleteAsync(
            "你好", Script.Says(tokenizer, "learning 数据 again 数据").Options(new ChatOptions { StopSequences = ["据 again"] }));
        response.Text.Trim().Should().Be("learning 数");
        response.FinishReason.Should().Be(ChatFinishReason.Stop);
    }

    [Fact]
    public async Task What_belongs_to_a_chat_is_refused()
    {
        using var shared = new SharedModel(snapshots[ChatGLMGeneration.ChatGLM3].Options());
        var client = new ChatGLMCompletionClient(shared);
        foreach (var options in new[] { new ChatOptions { Instructions = "x" }, new ChatOptions { Tools = [AIFunctionFactory.Create(() => 1, "f")] } })
            await client.Awaiting(c => c.CompleteAsync("你好", options)).Should().ThrowAsync<UnsupportedOptionException>().WithMessage("*belong to a chat*");
    }

    [Fact]
    public async Task The_applications_limit_on_a_prompt_holds_for_chats_texts_and_embeddings()
    {
        using var shared = new SharedModel(snapshots[ChatGLMGeneration.ChatGLM2].Options(o => o.MaxInputTokens = 30));
        using var chat = new ChatGLMChatClient(shared);
        var text = new ChatGLMCompletionClient(shared);
        using var embeddings = new ChatGLMEmbeddingGenerator(shared);
        await chat.GetResponseAsync("你好");
        await text.CompleteAsync("你好");
        await embeddings.GenerateAsync(["你好"]);
        var many = string.Concat(Enumerable.Repeat("你好 learning ", 20));
        foreach (var request in new Func<Task>[] { () => chat.GetResponseAsync(many), () => text.CompleteAsync(many), () => embeddings.GenerateAsync([many]) })
            (await FluentActions.Awaiting(request).Should().ThrowAsync<PromptTooLongException>().WithMessage("*MaxInputTokens*")).Which.LimitTokens.Should().Be(30);
    }
}
