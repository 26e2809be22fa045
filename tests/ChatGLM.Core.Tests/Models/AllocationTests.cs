using ChatGLM.Core.Tests.Tokenizers;
using ChatGLM.Generation;
using ChatGLM.Models;
using ChatGLM.Tensors;
using ChatGLM.Tokenizers;
using Xunit.Abstractions;

namespace ChatGLM.Core.Tests.Models;

/// <summary>A token allocates nothing on the managed heap. The other threads' allocations are counted too, so nothing else may run meanwhile.</summary>
[Collection(Name)]
public sealed class AllocationTests(ITestOutputHelper output)
{
    public const string Name = "Allocation";

    // The cache doubles at 64 and 128 tokens: between those it does not grow.
    private const int First = 70;
    private const int Last = 120;
    private const int Window = 10;

    [Theory]
    [MemberData(nameof(DecodedModels.Cases), MemberType = typeof(DecodedModels))]
    public void A_greedy_and_a_sampled_token_allocate_nothing(int generation, string format)
    {
        using var model = DecodedModels.Create(generation, format);
        var greedy = new GenerationConfig { MaxNewTokens = Last + 1 - TinyModels.Prompt.Length, EosTokenId = [] };
        foreach (var options in new[]
        {
            greedy,
            greedy with { DoSample = true, Seed = 3, Temperature = 0.95, TopP = 0.7, TopK = 0 },
            greedy with { DoSample = true, Seed = 3, TopK = 20, TopP = 0.9, MinP = 0.01, TypicalP = 0.98, RepetitionPenalty = 1.1, NoRepeatNgramSize = 4, MinNewTokens = 5 },
        })
            Measure(model, options).Should().Be((0, 0), "the token loop allocates nothing");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void A_padded_batch_makes_one_handle_on_its_mask_for_a_token(int generation)
    {
        using var model = DecodedModels.Create(generation, "f32");
        using var scope = new TensorScope();
        var inputs = DecodedModels.PaddedPrompt(generation).On(model.Backend);
        var (own, _) = Measure(model, new GenerationConfig { MaxNewTokens = Last + 1 - TinyModels.Prompt.Length, EosTokenId = [] }, inputs);
        own.Should().BeInRange(1, (Last - First) * 512);
    }

    [Theory]
    [MemberData(nameof(SmallTokenizers.Generations), MemberType = typeof(SmallTokenizers))]
    public void A_stream_of_text_allocates_its_pieces_and_nothing_else(ChatGLMGeneration generation)
    {
        var tokenizer = SmallTokenizers.Get(generation);
        using var model = PaddingTests.Create(tokenizer, new ModelOptions { Seed = 3 });
        var options = new GenerationConfig { MaxNewTokens = 55, EosTokenId = [], DoSample = true, Seed = 5 };
        var (pieces, tokens, allocated, text) = (new List<string>(100), 0, 0L, 0L);
        var watch = new Watch(() =>
        {
            if (++tokens == 5)
                allocated = GC.GetAllocatedBytesForCurrentThread();
            else if (tokens == 50)
                allocated = GC.GetAllocatedBytesForCurrentThread() - allocated;
        });
        var sum = 0L;
        model.Generate(
            tokenizer,
            "你好",
            piece =>
            {
                pieces.Add(piece);
                if (tokens is >= 5 and < 50)
                    sum += SizeOf(piece);
            },
            options,
            [watch]);
        text = sum;
        output.WriteLine($"{allocated} bytes, of which {text} are {pieces.Count} pieces");
        allocated.Should().Be(text);
    }

    [Theory]
    [MemberData(nameof(SmallTokenizers.Generations), MemberType = typeof(SmallTokenizers))]
    public void A_conversation_allocates_nothing_for_a_token_but_where_its_cache_doubles(ChatGLMGeneration generation)
    {
        var tokenizer = SmallTokenizers.Get(generation);
        using var model = PaddingTests.Create(tokenizer, new ModelOptions { Seed = 3 });
        using var session = model.StartChat(tokenizer);
        var (steps, count, before) = (new long[200], 0, 0L);
        var watch = new Watch(() =>
        {
            var now = GC.GetAllocatedBytesForCurrentThread();
            steps[count++] = now - before;
            before = now;
        });
        var options = new ChatOptions { Generation = new GenerationConfig { MaxNewTokens = 60, EosTokenId = [], DoSample = true, Seed = 5, TopP = 0.8, Temperature = 0.8 }, RawResponse = true, Processors = [watch] };
        foreach (var question in new[] { "你好", "数据" })
        {
            count = 0;
            session.Chat(question, options);
            count.Should().Be(60);
            // The first tokens make the buffers of the session.
            var allocating = steps.AsSpan(4, count - 4).ToArray().Where(bytes => bytes != 0).ToList();
            output.WriteLine($"{question}: {string.Join(", ", allocating)}");
            allocating.Should().HaveCountLessThanOrEqualTo(1, "from one power of two to the next the cache has room");
            allocating.Sum().Should().BeLessThan(4096);
        }
    }

    private static long SizeOf(string text) => (22 + (2L * text.Length) + 7) & ~7L;

    /// <summary>A processor sees every token's scores and changes none.</summary>
    private sealed class Watch(Action next) : LogitsProcessor
    {
        public override void Process(InputIds inputIds, TokenScores scores) => next();
    }

    /// <summary>Bytes of this thread over all tokens from First to Last, and the fewest of all threads in any window of them.</summary>
    private (long Own, long All) Measure(ChatGLMForConditionalGeneration model, GenerationConfig options, ModelInputs? inputs = null)
    {
        inputs ??= new ModelInputs { InputIds = TinyModels.Ids([.. TinyModels.Prompt.Select(i => (long)i)]).On(model.Backend) };
        var (tokens, own, all, start) = (TinyModels.Prompt.Length, 0L, long.MaxValue, 0L);
        model.Generate(inputs, options, onToken: (row, _) =>
        {
            if (row > 0)
                return;
            tokens++;
            if (tokens == First)
                own = GC.GetAllocatedBytesForCurrentThread();
            if (tokens == Last)
                own = GC.GetAllocatedBytesForCurrentThread() - own;
            if (tokens < First || tokens % Window != 0)
                return;
            var now = GC.GetTotalAllocatedBytes(precise: true);
            if (tokens > First)
                all = Math.Min(all, now - start);
            start = now;
        });
        tokens.Should().BeGreaterThan(Last);
        output.WriteLine($"{own} bytes in {Last - First} tokens; least of all threads in {Window}: {all}");
        return (own, all);
    }
}

[CollectionDefinition(AllocationTests.Name, DisableParallelization = true)]
public sealed class AllocationCollection;
