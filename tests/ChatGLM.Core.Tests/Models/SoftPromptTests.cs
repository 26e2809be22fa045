using ChatGLM.Chat;
using ChatGLM.Core.Tests.Tokenizers;
using ChatGLM.Generation;
using ChatGLM.Models;
using ChatGLM.Tensors;
using ChatGLM.Tokenizers;

namespace ChatGLM.Core.Tests.Models;

/// <summary>What stands before the tokens. The witness is the model itself: virtual tokens that are the embeddings of words must do what the words do.</summary>
public sealed class SoftPromptTests
{
    private static readonly long[] Words = [17, 5, 29];
    private static readonly GenerationConfig Greedy = new() { MaxNewTokens = 6, EosTokenId = [] };

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Virtual_tokens_do_what_the_words_do_whose_embeddings_they_are(int generation)
    {
        using var model = TinyModels.Create(TinyModels.Of(generation));
        using var prompt = WordPrompt.Of(model, Words);
        var labels = new long[] { -100, -100, -100, -100, -100, 90, 4 };
        using var scope = new TensorScope();
        var plain = model.Forward(new ModelInputs { InputIds = TinyModels.Ids([.. Words, .. Ids()]), Labels = TinyModels.Ids([-100, -100, -100, .. labels]), OutputHiddenStates = true });
        model.SoftPrompt = prompt;
        var behind = model.Forward(new ModelInputs { InputIds = TinyModels.Ids(Ids()), Labels = TinyModels.Ids(labels), OutputHiddenStates = true });
        behind.Logits.Shape.ToArray().Should().Equal(1, 10, 96);
        (behind.VirtualTokens, plain.VirtualTokens).Should().Be((3, 0));
        behind.Logits.ToFloatArray().Should().Equal(plain.Logits.ToFloatArray());
        behind.Loss!.Item().Should().Be(plain.Loss!.Item());
        behind.HiddenStates[^1].ToFloatArray().Should().Equal(plain.HiddenStates[^1].ToFloatArray());
        var last = model.Forward(new ModelInputs { InputIds = TinyModels.Ids(Ids()), LastLogitsOnly = true }).Logits.ToFloatArray();
        last.Should().HaveCount(96);
        LargestDifference(last, plain.Logits.ToFloatArray()[^96..]).Should().BeLessThan(1e-4, "fewer rows are summed in another order");
        model.SoftPrompt = null;
        model.Forward(TinyModels.Ids(Ids())).Logits.Shape[1].Should().Be(7);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void The_first_token_can_be_learned_from_the_last_virtual_one(int generation)
    {
        using var model = TinyModels.Create(TinyModels.Of(generation));
        using var prompt = WordPrompt.Of(model, Words);
        using var scope = new TensorScope();
        var labels = Ids();
        var plain = model.Forward(new ModelInputs { InputIds = TinyModels.Ids([.. Words, .. Ids()]), Labels = TinyModels.Ids([-100, -100, -100, .. labels]) }).Loss!.Item();
        model.SoftPrompt = prompt;
        model.Forward(new ModelInputs { InputIds = TinyModels.Ids(Ids()), Labels = TinyModels.Ids(labels) }).Loss!.Item().Should().Be(plain);
        FluentActions.Invoking(() => model.Forward(new ModelInputs { InputIds = TinyModels.Ids(Ids()), Labels = TinyModels.Ids([.. Words, .. labels]) })).Should().Throw<ModelInputException>().WithMessage("Labels*");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Positions_and_masks_that_are_given_move_behind_the_virtual_tokens(int generation)
    {
        using var model = TinyModels.Create(TinyModels.Of(generation));
        using var prompt = WordPrompt.Of(model, Words);
        using var scope = new TensorScope();
        var expected = model.Forward(TinyModels.Ids([.. Words, .. Ids()])).Logits.ToFloatArray();
        var given = generation == 1
            ? new ModelInputs
            {
                InputIds = TinyModels.Ids(Ids()),
                // What the model derives: [gMASK] at 5, <sop> at 6.
                PositionIds = Tensor.From([0L, 1, 2, 3, 4, 5, 5, 0, 0, 0, 0, 0, 0, 1], [1, 2, 7]),
                AttentionMask = Tensor.From(Enumerable.Range(0, 49).Select(i => i % 7 == 6 && i / 7 < 6).ToArray(), [1, 1, 7, 7]),
            }
            : new ModelInputs { InputIds = TinyModels.Ids(Ids()), PositionIds = TinyModels.Ids(0, 1, 2, 3, 4, 5, 6), AttentionMask = TinyModels.Ids(1, 1, 1, 1, 1, 1, 1) };
        model.SoftPrompt = prompt;
        model.Forward(given).Logits.ToFloatArray().Should().Equal(expected);
        var tooLong = given with { AttentionMask = generation == 1 ? Tensor.From(new bool[100], [1, 1, 10, 10]) : TinyModels.Ids(1, 1, 1, 1, 1, 1, 1, 1, 1, 1) };
        FluentActions.Invoking(() => model.Forward(tooLong)).Should().Throw<ModelInputException>().WithMessage("AttentionMask*7*", "virtual tokens are the model's affair, not the caller's");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void An_answer_behind_virtual_tokens_is_the_answer_behind_the_words(int generation)
    {
        using var model = TinyModels.Create(TinyModels.Of(generation));
        using var prompt = WordPrompt.Of(model, Words);
        int[] words = [.. Words.Select(w => (int)w), .. TinyModels.Prompt];
        foreach (var options in new[] { Greedy, Greedy with { NumBeams = 3, NumReturnSequences = 2 }, Greedy with { DoSample = true, Seed = 4 } })
        {
            var plain = model.Generate(words, options);
            model.SoftPrompt = prompt;
            var behind = model.Generate(TinyModels.Prompt, options);
            model.SoftPrompt = null;
            behind.Sequences.Select(s => s.Skip(7)).Should().BeEquivalentTo(plain.Sequences.Select(s => s.Skip(10)), o => o.WithStrictOrdering());
            behind.Sequences[0].Take(7).Should().Equal(TinyModels.Prompt, "virtual tokens are no part of the result");
        }
    }

    [Theory]
    [MemberData(nameof(SmallTokenizers.Generations), MemberType = typeof(SmallTokenizers))]
    public void A_padded_batch_behind_virtual_tokens_generates_what_each_text_does_alone(ChatGLMGeneration generation)
    {
        var tokenizer = SmallTokenizers.Get(generation);
        using var model = PaddingTests.Create(tokenizer, new ModelOptions { Seed = 3 });
        using var prompt = WordPrompt.Of(model, Words);
        model.SoftPrompt = prompt;
        string[] texts = ["你好", "数据 learning 你好 again 数据", "a"];
        foreach (var options in new[] { Greedy, Greedy with { NumBeams = 2 } })
        {
            var batch = model.Generate(tokenizer.EncodeBatch(texts, new BatchEncodeOptions { Padding = PaddingStrategy.Longest }), options);
            for (var i = 0; i < texts.Length; i++)
                batch.Completion(i).ToArray().Should().Equal(model.Generate(tokenizer.Encode(texts[i]), options).Completion(0).ToArray());
        }
    }

    [Theory]
    [InlineData(ChatGLMGeneration.ChatGLM6B)]
    [InlineData(ChatGLMGeneration.ChatGLM3)]
    public void A_conversation_reads_virtual_tokens_once_and_notices_that_they_have_changed(ChatGLMGeneration generation)
    {
        var tokenizer = SmallTokenizers.Get(generation);
        using var model = PaddingTests.Create(tokenizer, new ModelOptions { Seed = 3 });
        using var prompt = WordPrompt.Of(model, Words);
        using var other = WordPrompt.Of(model, [40, 41]);
        var options = new ChatOptions { Generation = Greedy with { EosTokenId = null }, RawResponse = true };
        model.SoftPrompt = prompt;
        using var session = model.StartChat(tokenizer);
        session.Chat("你好", options);
        var history = Copy(session.History);
        var second = session.Chat("数据", options);
        (second.CachedTokens > 0).Should().Be(generation != ChatGLMGeneration.ChatGLM6B);
        second.Content.Should().Be(model.Chat(tokenizer, "数据", history, options).Content, "the cache changes nothing");
        foreach (var next in new SoftPrompt?[] { other, null })
        {
            model.SoftPrompt = next;
            history = Copy(session.History);
            var changed = session.Chat("again", options);
            changed.CachedTokens.Should().Be(0, "what was read behind another prompt is of no use");
            changed.Content.Should().Be(model.Chat(tokenizer, "again", history, options).Content);
        }
    }

    [Fact]
    public void A_cache_goes_on_with_the_prompt_that_it_began_with()
    {
        using var model = TinyModels.Create(TinyModels.Second);
        using var prompt = WordPrompt.Of(model, Words);
        using var scope = new TensorScope();
        var whole = model.Forward(TinyModels.Ids([.. Words, .. Ids()])).Logits.ToFloatArray();
        model.SoftPrompt = prompt;
        using var cache = model.Forward(new ModelInputs { InputIds = TinyModels.Ids(Ids()[..4]), UseCache = true }).PastKeyValues!;
        cache.Length.Should().Be(7);
        model.SoftPrompt = null;
        var rest = model.Forward(new ModelInputs { InputIds = TinyModels.Ids(Ids()[4..]), PastKeyValues = cache }).Logits.ToFloatArray();
        LargestDifference(rest, whole[^rest.Length..]).Should().BeLessThan(1e-5);
        cache.Invoking(c => c.Truncate(2)).Should().Throw<ArgumentOutOfRangeException>().WithMessage("*3 entries are a soft prompt*");
        cache.Truncate(3);
        cache.Truncate(0);
    }

    [Fact]
    public void Keys_and_values_in_front_do_what_the_words_do_that_made_them()
    {
        using var model = TinyModels.Create(TinyModels.Second);
        using var scope = new TensorScope();
        var whole = model.Forward(TinyModels.Ids([.. Words, .. Ids()])).Logits.ToFloatArray();
        using var cache = model.Forward(new ModelInputs { InputIds = TinyModels.Ids(Words), UseCache = true }).PastKeyValues!;
        using var prompt = CachedPrompt.Of(cache);
        model.SoftPrompt = prompt;
        // Keys in front take no position: whoever wants those of the words gives them.
        var behind = model.Forward(new ModelInputs { InputIds = TinyModels.Ids(Ids()), PositionIds = TinyModels.Ids(3, 4, 5, 6, 7, 8, 9) }).Logits.ToFloatArray();
        behind.Should().HaveCount(7 * 96);
        LargestDifference(behind, whole[^behind.Length..]).Should().BeLessThan(1e-5);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Virtual_tokens_are_trained_as_words_are(int generation)
    {
        using var model = TinyModels.Create(TinyModels.Of(generation));
        using var prompt = WordPrompt.Of(model, Words);
        model.RequiresGrad(false);
        model.SoftPrompt = prompt;
        var gradients = new List<float[]>();
        foreach (var recomputes in new[] { false, true })
        {
            model.Train(recomputes);
            model.GradientCheckpointing = recomputes;
            using var scope = new TensorScope();
            Loss().Backward();
            gradients.Add(prompt.Table.Grad!.ToFloatArray());
            prompt.ZeroGrad();
        }

        gradients[1].Should().Equal(gradients[0], "recomputing changes no bit");
        // Against differences of the loss itself.
        using var noGrad = GradMode.NoGrad();
        for (var i = 0; i < gradients[0].Length; i += 7)
        {
            const float Step = 1e-2f;
            var values = prompt.Table.AsSpan<float>();
            var at = values[i];
            values[i] = at + Step;
            var above = Loss().Item();
            values[i] = at - Step;
            var below = Loss().Item();
            values[i] = at;
            gradients[0][i].Should().BeApproximately((above - below) / (2 * Step), 2e-4f);
        }

        Tensor Loss() => model.Forward(new ModelInputs { InputIds = TinyModels.Ids(Ids()), Labels = TinyModels.Ids(Ids()) }).Loss!;
    }

    [Fact]
    public void A_prompt_that_does_not_fit_is_refused()
    {
        using var model = TinyModels.Create(TinyModels.Second);
        using var narrow = new WordPrompt(Tensor.Zeros([3, 16]));
        model.SoftPrompt = narrow;
        FluentActions.Invoking(() => model.Forward(TinyModels.Ids(Ids()))).Should().Throw<ModelInputException>().WithMessage("SoftPrompt*WordPrompt*[1 or 1, 3, 32]*");
        using var endless = new WordPrompt(Tensor.Zeros([64, 32]));
        FluentActions.Invoking(() => model.SoftPrompt = endless).Should().Throw<ModelInputException>().WithMessage("SoftPrompt*64*");
        model.SoftPrompt.Should().BeSameAs(narrow);
        using var prefixed = TinyModels.Create(TinyModels.Second with { PreSeqLen = 2 });
        using var cache = model.Forward(new ModelInputs { InputIds = TinyModels.Ids(1, 2), UseCache = true, PastKeyValues = NewCache(model) }).PastKeyValues!;
        using var keys = CachedPrompt.Of(cache);
        FluentActions.Invoking(() => prefixed.SoftPrompt = keys).Should().Throw<ModelInputException>().WithMessage("*RemovePrefix*");

        static KeyValueCache NewCache(ChatGLMForConditionalGeneration model)
        {
            model.SoftPrompt = null;
            return new KeyValueCache(model.Config.NumLayers, model.Backend);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void There_is_room_for_fewer_tokens_behind_virtual_ones(int generation)
    {
        using var model = TinyModels.Create(TinyModels.Of(generation));
        using var prompt = new WordPrompt(Tensor.Zeros([50, 32]));
        model.SoftPrompt = prompt;
        var ids = Enumerable.Repeat(7, 12).Concat([93, 90]).ToArray();
        FluentActions.Invoking(() => model.Generate(ids, Greedy)).Should().Throw<PromptTooLongException>();
        if (generation == 2)
            model.Generate(ids[2..], Greedy).Completion(0).ToArray().Should().HaveCount(2, "64 positions are 50 and 12 and two more");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Prompts_leave_no_memory_behind(int generation)
    {
        var backend = new CpuBackend(new CpuBackendOptions { Threads = 1 });
        using var model = AutoModel.FromConfig(TinyModels.Of(generation), new ModelOptions { Backend = backend });
        using var prompt = WordPrompt.Of(model, Words);
        model.SoftPrompt = prompt;
        model.Generate(TinyModels.Prompt, Greedy);
        var (buffers, recovered) = (backend.Memory.LoanedBuffers, backend.Memory.RecoveredBuffers);
        for (var i = 0; i < 100; i++)
            model.Generate(TinyModels.Prompt, Greedy);
        backend.Memory.LoanedBuffers.Should().Be(buffers);
        backend.Memory.RecoveredBuffers.Should().Be(recovered, "every buffer is given back at once, none by the garbage collector");
    }

    private static long[] Ids() => [.. TinyModels.Prompt.Select(id => (long)id)];

    private static double LargestDifference(float[] a, float[] b) => a.Zip(b).Max(p => Math.Abs((double)p.First - p.Second));

    private static ChatHistory Copy(ChatHistory history)
    {
        var copy = new ChatHistory();
        copy.AddRange(history);
        return copy;
    }

    /// <summary>A table of virtual tokens, made with public types alone.</summary>
    private sealed class WordPrompt(Tensor table) : EmbeddingPrompt(table.Shape[0])
    {
        public Tensor Table { get; } = table;

        public override IEnumerable<(string Name, Tensor Parameter)> OwnParameters => [("weight", Table)];

        public static WordPrompt Of(PreTrainedModel model, long[] words)
        {
            using var noGrad = GradMode.NoGrad();
            using var scope = new TensorScope();
            var embedding = model.NamedModules().Select(m => m.Module).OfType<Embedding>().First();
            var rows = embedding.Forward(Tensor.From(words, [1, words.Length], model.Backend));
            return new WordPrompt(scope.Keep(rows.Reshape(words.Length, rows.Shape[2]))) { Table = { RequiresGrad = true } };
        }

        public override Tensor Forward(int batch) => Table.Reshape(1, Table.Shape[0], Table.Shape[1]);
    }

    /// <summary>The keys and values of tokens that a model has read.</summary>
    private sealed class CachedPrompt(Tensor rows) : KeyValuePrompt(rows.Shape[1])
    {
        public override IEnumerable<(string Name, Tensor Parameter)> OwnParameters => [("weight", rows)];

        public static CachedPrompt Of(KeyValueCache cache)
        {
            var parts = new List<Tensor>();
            for (var layer = 0; layer < cache.Layers; layer++)
            {
                // [seq, 1, heads, dim] each
                var (key, value) = cache.Export(layer);
                var (seq, width) = (key.Shape[0], key.Shape[2] * key.Shape[3]);
                parts.Add(key.Reshape(1, seq, width));
                parts.Add(value.Reshape(1, seq, width));
            }

            return new CachedPrompt(Functional.Concat(parts.ToArray(), 2));
        }

        public override Tensor Forward(int batch) => Functional.Reshape(rows, rows.Shape);
    }
}
