using ChatGLM.Chat;
using ChatGLM.Core.Tests.Tokenizers;
using ChatGLM.Generation;
using ChatGLM.Models;
using ChatGLM.Tensors;
using ChatGLM.Tokenizers;

namespace ChatGLM.Core.Tests.Models;

/// <summary>Memory comes back whatever ends the work: an error, a cancellation, a stream that is left, a session or a model that is disposed while it answers.</summary>
public sealed class LifetimeTests
{
    /// <summary>An answer that would take half a minute, within the positions of the first rotary table.</summary>
    private static readonly ChatOptions Endless = new() { Generation = new GenerationConfig { MaxNewTokens = 400, EosTokenId = [] }, Processors = [new Slow()] };
    private static readonly ChatOptions Short = new() { Generation = new GenerationConfig { MaxNewTokens = 4, EosTokenId = [] } };

    [Theory]
    [InlineData(1, null)]
    [InlineData(1, 4)]
    [InlineData(2, null)]
    [InlineData(2, 4)]
    public void A_disposed_model_gives_all_its_memory_back(int generation, int? prefix)
    {
        var (model, backend) = Create(generation, prefix);
        model.Generate(TinyModels.Prompt, new GenerationConfig { MaxNewTokens = 3 });
        model.Dispose();
        model.Dispose();
        backend.Memory.LoanedBuffers.Should().Be(0);
        backend.Memory.RecoveredBuffers.Should().Be(0);
        FluentActions.Invoking(() => model.Generate(TinyModels.Prompt)).Should().Throw<ObjectDisposedException>();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void An_error_or_a_cancellation_in_the_middle_leaves_nothing_behind(int generation)
    {
        var (model, backend) = Create(generation);
        using (model)
        {
            var options = new GenerationConfig { MaxNewTokens = 8, EosTokenId = [], NumReturnSequences = 2, DoSample = true };
            model.Generate(TinyModels.Prompt, options);
            var (before, recovered) = (backend.Memory.LoanedBuffers, backend.Memory.RecoveredBuffers);
            using (var scope = new TensorScope())
            {
                var prompt = new ModelInputs { InputIds = Tensor.From(TinyModels.Prompt.Select(i => (long)i).ToArray(), [1, 7], backend) };
                for (var at = 0; at < 6; at++)
                {
                    using var stop = new CancellationTokenSource();
                    var left = at;
                    FluentActions.Invoking(() => model.Generate(prompt, options, onToken: (_, _) => Fail(left-- == 0))).Should().Throw<FormatException>();
                    left = at;
                    FluentActions.Invoking(() => model.Generate(prompt, options, onToken: (_, _) => Cancel(stop, left-- == 0), cancellationToken: stop.Token)).Should().Throw<OperationCanceledException>();
                }

                FluentActions.Invoking(() => model.Forward(prompt with { Labels = prompt.InputIds, PositionIds = prompt.InputIds, UseCache = true })).Should().Throw<ModelInputException>();
                FluentActions.Invoking(() => model.Forward(prompt with { Labels = Tensor.From(Enumerable.Repeat(999L, 7).ToArray(), [1, 7], backend) })).Should().Throw<ModelInputException>();
            }

            backend.Memory.LoanedBuffers.Should().Be(before);
            backend.Memory.RecoveredBuffers.Should().Be(recovered);
        }
    }

    [Fact]
    public async Task A_stream_that_is_left_or_cancelled_gives_its_memory_back_at_once()
    {
        var (model, backend, tokenizer) = CreateChat();
        using (model)
        {
            model.Chat(tokenizer, "你好", options: Short);
            var before = backend.Memory.LoanedBuffers;
            await foreach (var _ in model.StreamChatAsync(tokenizer, "你好", options: Endless))
                break;
            backend.Memory.LoanedBuffers.Should().Be(before);

            using var stop = new CancellationTokenSource();
            var read = async () =>
            {
                await foreach (var _ in model.StreamChatAsync(tokenizer, "你好", options: Endless).WithCancellation(stop.Token))
                    await stop.CancelAsync();
            };
            (await read.Should().ThrowAsync<OperationCanceledException>()).Which.CancellationToken.IsCancellationRequested.Should().BeTrue();
            backend.Memory.LoanedBuffers.Should().Be(before);
        }
    }

    [Fact]
    public void Sessions_that_nobody_disposed_are_collected()
    {
        var (model, backend, tokenizer) = CreateChat();
        using (model)
        {
            model.Chat(tokenizer, "你好", options: Short);
            var before = backend.Memory.LoanedBuffers;
            Drop(model, tokenizer);
            backend.Memory.LoanedBuffers.Should().BeGreaterThan(before);
            GC.Collect();
            GC.WaitForPendingFinalizers();
            backend.Memory.LoanedBuffers.Should().Be(before);
        }
    }

    [Fact]
    public async Task A_session_that_answers_takes_no_second_question()
    {
        var (model, _, tokenizer) = CreateChat();
        using (model)
        {
            using var session = model.StartChat(tokenizer);
            await using (var stream = session.StreamChatAsync("你好", Endless).GetAsyncEnumerator())
            {
                await stream.MoveNextAsync();
                FluentActions.Invoking(() => session.Chat("数据", Short)).Should().Throw<InvalidOperationException>().WithMessage("*still answering*");
                FluentActions.Invoking(session.Clear).Should().Throw<InvalidOperationException>();
            }

            session.Chat("数据", Short).CompletionTokens.Should().Be(4, "leaving the stream ended the answer");
        }
    }

    [Fact]
    public async Task Disposing_a_session_ends_its_answer_before_the_cache_goes()
    {
        var (model, backend, tokenizer) = CreateChat();
        using (model)
        {
            model.Chat(tokenizer, "你好", options: Short);
            var before = backend.Memory.LoanedBuffers;
            var session = model.StartChat(tokenizer);
            await using (var stream = session.StreamChatAsync("你好", Endless).GetAsyncEnumerator())
            {
                await stream.MoveNextAsync();
                session.Dispose();
                await ReadOn(stream).Should().ThrowAsync<OperationCanceledException>();
            }

            backend.Memory.LoanedBuffers.Should().Be(before);
            FluentActions.Invoking(() => session.Chat("你好", Short)).Should().Throw<ObjectDisposedException>();
        }
    }

    [Fact]
    public async Task Disposing_a_model_that_answers_ends_the_answer_before_the_weights_go()
    {
        var (model, backend, tokenizer) = CreateChat();
        await using (var stream = model.StreamChatAsync(tokenizer, "你好", options: Endless).GetAsyncEnumerator())
        {
            await stream.MoveNextAsync();
            model.Dispose();
            await ReadOn(stream).Should().ThrowAsync<ObjectDisposedException>();
        }

        backend.Memory.LoanedBuffers.Should().Be(0);
    }

    private sealed class Slow : LogitsProcessor
    {
        public override void Process(InputIds inputIds, TokenScores scores) => Thread.Sleep(75);
    }

    private static Func<Task> ReadOn(IAsyncEnumerator<string> stream) => async () =>
    {
        while (await stream.MoveNextAsync())
        {
        }
    };

    [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.NoInlining)]
    private static void Drop(ChatGLMForConditionalGeneration model, ChatGLMTokenizer tokenizer) => model.StartChat(tokenizer).Chat("你好", Short);

    private static void Fail(bool now)
    {
        if (now)
            throw new FormatException();
    }

    private static void Cancel(CancellationTokenSource stop, bool now)
    {
        if (now)
            stop.Cancel();
    }

    private static (ChatGLMForConditionalGeneration Model, CpuBackend Backend) Create(int generation, int? prefix = null)
    {
        var backend = new CpuBackend(new CpuBackendOptions { Threads = 1 });
        return (AutoModel.FromConfig(TinyModels.Of(generation), new ModelOptions { Backend = backend, PreSeqLen = prefix }), backend);
    }

    private static (ChatGLMForConditionalGeneration Model, CpuBackend Backend, ChatGLMTokenizer Tokenizer) CreateChat()
    {
        var tokenizer = SmallTokenizers.Get(ChatGLMGeneration.ChatGLM2);
        var backend = new CpuBackend(new CpuBackendOptions { Threads = 1 });
        return (AutoModel.FromConfig(TinyModels.Second with { PaddedVocabSize = tokenizer.VocabSize, SeqLength = 1024 }, new ModelOptions { Backend = backend, Seed = 7 }), backend, tokenizer);
    }
}
