using System.Text;
using ChatGLM.Chat;
using ChatGLM.Core.Tests.Tokenizers;
using ChatGLM.Generation;
using ChatGLM.Models;
using ChatGLM.Tensors;
using ChatGLM.Tokenizers;

namespace ChatGLM.Core.Tests.Models;

/// <summary>Chats with random weights over the project's own small tokenizers: what they say is noise, how they say it is not.</summary>
public sealed class ChatTests
{
    private static readonly GenerationConfig Greedy = new() { MaxNewTokens = 12, DoSample = false };

    /// <summary>An answer that would take half a minute.</summary>
    private static readonly ChatOptions Endless = new() { Generation = new GenerationConfig { MaxNewTokens = 600, EosTokenId = [] }, Processors = [new Slow()] };

    [Theory]
    [MemberData(nameof(SmallTokenizers.Generations), MemberType = typeof(SmallTokenizers))]
    public async Task Streamed_pieces_are_the_answer(ChatGLMGeneration generation)
    {
        var (model, tokenizer) = Create(generation);
        using (model)
        {
            var options = new ChatOptions { Generation = Greedy with { EosTokenId = [] } };
            using var session = model.StartChat(tokenizer);
            var text = new StringBuilder();
            await foreach (var piece in session.StreamChatAsync("你好", options))
            {
                char.IsHighSurrogate(piece[^1]).Should().BeFalse("a piece never ends inside a character");
                text.Append(piece);
            }

            var result = session.LastResult!;
            var whole = model.Chat(tokenizer, "你好", options: options);
            whole.Content.Should().Be(result.Content);
            result.CompletionTokens.Should().Be(12);
            result.FinishReason.Should().Be(FinishReason.Length);
            result.PromptTokens.Should().Be(tokenizer.BuildChatInput("你好").Length);
            if (generation == ChatGLMGeneration.ChatGLM2)
                text.ToString().Trim().Should().Be(result.Content);
        }
    }

    [Theory]
    [MemberData(nameof(SmallTokenizers.Generations), MemberType = typeof(SmallTokenizers))]
    public void A_session_answers_as_a_fresh_chat_with_its_history_does(ChatGLMGeneration generation)
    {
        var (model, tokenizer) = Create(generation);
        using (model)
        {
            var options = new ChatOptions { Generation = Greedy };
            using var session = model.StartChat(tokenizer);
            foreach (var query in new[] { "你好", "数据 learning", "again" })
            {
                var before = new ChatHistory(session.History);
                var fresh = model.Chat(tokenizer, query, new ChatHistory(before), options);
                var kept = session.Chat(query, options);
                kept.Content.Should().Be(fresh.Content);
                kept.PromptTokens.Should().Be(fresh.PromptTokens);
                if (before.Count > 0)
                    (kept.CachedTokens > 0).Should().Be(generation != ChatGLMGeneration.ChatGLM6B, "6B's context attends to itself in both directions");
            }

            session.History.Count.Should().BeGreaterThanOrEqualTo(6);
            session.Clear();
            session.CacheBytes.Should().Be(0);
            session.History.Should().BeEmpty();
        }
    }

    [Fact]
    public void A_history_that_was_changed_by_hand_is_read_again()
    {
        var (model, tokenizer) = Create(ChatGLMGeneration.ChatGLM2);
        using (model)
        {
            var options = new ChatOptions { Generation = Greedy };
            using var session = model.StartChat(tokenizer);
            session.Chat("你好", options);
            session.History.Clear();
            session.History.AddUser("another").AddAssistant("answer");
            session.Chat("数据", options).Content.Should().Be(model.Chat(tokenizer, "数据", ChatHistory.FromRounds([("another", "answer")]), options).Content);
        }
    }

    [Fact]
    public async Task Ending_a_stream_early_ends_the_work_and_leaves_the_history()
    {
        var (model, tokenizer) = Create(ChatGLMGeneration.ChatGLM2);
        using (model)
        {
            using var session = model.StartChat(tokenizer);
            await foreach (var _ in session.StreamChatAsync("你好", Endless))
                break;
            session.History.Should().BeEmpty();
            session.LastResult.Should().BeNull();
            session.Chat("你好", new ChatOptions { Generation = Greedy }).Content.Should().Be(model.Chat(tokenizer, "你好", options: new ChatOptions { Generation = Greedy }).Content);
        }
    }

    [Fact]
    public async Task Cancelling_a_stream_throws_and_leaves_the_history()
    {
        var (model, tokenizer) = Create(ChatGLMGeneration.ChatGLM3);
        using (model)
        {
            using var stop = new CancellationTokenSource();
            var history = new ChatHistory();
            var read = async () =>
            {
                await foreach (var _ in model.StreamChatAsync(tokenizer, "你好", history, Endless, stop.Token))
                    await stop.CancelAsync();
            };
            await read.Should().ThrowAsync<OperationCanceledException>();
            history.Should().BeEmpty();
        }
    }

    [Fact]
    public async Task An_error_comes_out_of_the_stream()
    {
        var (model, tokenizer) = Create(ChatGLMGeneration.ChatGLM2);
        using (model)
        {
            var read = async () =>
            {
                await foreach (var _ in model.StreamChatAsync(tokenizer, new string('好', 2000)))
                {
                }
            };
            await read.Should().ThrowAsync<PromptTooLongException>();
        }
    }

    [Fact]
    public void NaN_scores_are_an_error_or_the_references_guard()
    {
        var (model, tokenizer) = Create(ChatGLMGeneration.ChatGLM2);
        using (model)
        {
            model.NamedParameters().First(p => p.Name.EndsWith("final_layernorm.weight")).Parameter.AsSpan<float>().Fill(float.NaN);
            FluentActions.Invoking(() => model.Chat(tokenizer, "你好", options: new ChatOptions { Generation = Greedy })).Should().Throw<InvalidLogitsException>();
            var guarded = model.Chat(tokenizer, "你好", options: new ChatOptions { Generation = Greedy, GuardInvalidScores = true });
            guarded.CompletionTokens.Should().Be(12);
            guarded.Content.Should().Be(tokenizer.ProcessResponse(tokenizer.Decode(Enumerable.Repeat(5, 12).ToArray())).Content);
        }
    }

    [Fact]
    public void A_stop_string_ends_generated_text()
    {
        var (model, tokenizer) = Create(ChatGLMGeneration.ChatGLM2);
        using (model)
        {
            var options = Greedy with { EosTokenId = [], MaxNewTokens = 30 };
            var whole = model.Generate(tokenizer, "你好", options);
            var stop = whole.Text.Substring(whole.Text.Length / 2, 1);
            var stopped = model.Generate(tokenizer, "你好", options with { StopStrings = [stop] });
            stopped.FinishReason.Should().Be(FinishReason.StopString);
            stopped.Text.Should().Contain(stop);
            whole.Text.Should().StartWith(stopped.Text);
        }
    }

    [Fact]
    public async Task Generated_text_streams()
    {
        var (model, tokenizer) = Create(ChatGLMGeneration.ChatGLM2);
        using (model)
        {
            var options = Greedy with { EosTokenId = [] };
            var text = new StringBuilder();
            await foreach (var piece in model.StreamGenerateAsync(tokenizer, "你好", options))
                text.Append(piece);
            text.ToString().Should().Be((await model.GenerateAsync(tokenizer, "你好", options)).Text);
        }
    }

    [Theory]
    [MemberData(nameof(SmallTokenizers.Generations), MemberType = typeof(SmallTokenizers))]
    public void A_padded_batch_generates_what_each_text_does_alone(ChatGLMGeneration generation)
    {
        var (model, tokenizer) = Create(generation);
        using (model)
        {
            var options = Greedy with { EosTokenId = [], MaxNewTokens = 6 };
            string[] texts = ["你好", "数据 learning 你好 again"];
            var batch = model.Generate(tokenizer.EncodeBatch(texts, new BatchEncodeOptions { Padding = PaddingStrategy.Longest }), options);
            for (var i = 0; i < texts.Length; i++)
                batch.Completion(i).ToArray().Should().Equal(model.Generate(tokenizer.Encode(texts[i]), options).Completion(0).ToArray());
        }
    }

    private static (ChatGLMForConditionalGeneration Model, ChatGLMTokenizer Tokenizer) Create(ChatGLMGeneration generation)
    {
        var tokenizer = SmallTokenizers.Get(generation);
        ChatGLMConfig config = generation == ChatGLMGeneration.ChatGLM6B
            ? TinyModels.First with
            {
                VocabSize = tokenizer.VocabSize + 8, MaxSequenceLength = 1024, BosTokenId = tokenizer.SopTokenId, EosTokenIds = [tokenizer.EopTokenId],
                MaskTokenId = tokenizer.MaskTokenId, GMaskTokenId = tokenizer.GMaskTokenId, PadTokenId = tokenizer.PadTokenId,
            }
            : TinyModels.Second with { PaddedVocabSize = tokenizer.VocabSize + 8, SeqLength = 1024 };
        return (TinyModels.Create(config), tokenizer);
    }

    private sealed class Slow : LogitsProcessor
    {
        public override void Process(InputIds inputIds, TokenScores scores) => Thread.Sleep(50);
    }
}
