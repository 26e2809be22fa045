using ChatGLM.Core.Tests.Tokenizers;
using ChatGLM.Generation;
using ChatGLM.Models;
using ChatGLM.Tensors;
using ChatGLM.Tokenizers;

namespace ChatGLM.Core.Tests.Models;

/// <summary>Padding, prefixes, blanks and caches in combination, through the public calls.</summary>
public sealed class PaddingTests
{
    private static readonly GenerationConfig Greedy = new() { MaxNewTokens = 6, EosTokenId = [] };

    public static TheoryData<ChatGLMGeneration, int?> Kinds
    {
        get
        {
            var kinds = new TheoryData<ChatGLMGeneration, int?>();
            foreach (var generation in Enum.GetValues<ChatGLMGeneration>())
            {
                kinds.Add(generation, null);
                kinds.Add(generation, 3);
            }

            return kinds;
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_padded_batch_behind_a_prefix_generates_what_each_text_does_alone(ChatGLMGeneration generation, int? prefix)
    {
        var tokenizer = SmallTokenizers.Get(generation);
        using var model = Create(tokenizer, new ModelOptions { Seed = 3, PreSeqLen = prefix });
        string[] texts = ["你好", "数据 learning 你好 again 数据", "a"];
        foreach (var options in new[] { Greedy, Greedy with { NumBeams = 2 } })
        {
            var batch = model.Generate(tokenizer.EncodeBatch(texts, new BatchEncodeOptions { Padding = PaddingStrategy.Longest }), options);
            for (var i = 0; i < texts.Length; i++)
                batch.Completion(i).ToArray().Should().Equal(model.Generate(tokenizer.Encode(texts[i]), options).Completion(0).ToArray());
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_6B_blank_in_the_middle_is_filled(bool twoDimensional)
    {
        var tokenizer = SmallTokenizers.Get(ChatGLMGeneration.ChatGLM6B);
        using var model = Create(tokenizer, new ModelOptions { Seed = 3, ConfigOverrides = c => ((ChatGLM6BConfig)c) with { PositionEncoding2D = twoDimensional } });
        var typed = tokenizer.Encode("你好[MASK]数据");
        typed.Should().Contain(tokenizer.MaskTokenId);
        model.Generate(tokenizer, "你好[MASK]数据", Greedy).CompletionTokens.Should().Be(6);

        // Without [gMASK] the blank itself is the position of the answer.
        int[] blank = [.. typed.Where(id => id != tokenizer.GMaskTokenId)];
        var given = Greedy with { MaxNewTokens = 1 };
        var positions = twoDimensional
            ? Tensor.From([.. Positions(blank, tokenizer), .. Enumerable.Repeat(0L, blank.Length - 1), 1L], [1, 2, blank.Length])
            : Tensor.From(Positions(blank, tokenizer), [1, blank.Length]);
        model.Generate(new ModelInputs { InputIds = TinyModels.Ids([.. blank]), PositionIds = positions }, given).Completion(0).ToArray()
            .Should().Equal(model.Generate(blank, given).Completion(0).ToArray());
    }

    [Fact]
    public void A_padded_batch_of_one_dimensional_positions_generates_what_each_text_does_alone()
    {
        var tokenizer = SmallTokenizers.Get(ChatGLMGeneration.ChatGLM6B);
        using var model = Create(tokenizer, new ModelOptions { Seed = 3, ConfigOverrides = c => ((ChatGLM6BConfig)c) with { PositionEncoding2D = false } });
        string[] texts = ["你好", "数据 learning[MASK]你好 again 数据", "a"];
        var batch = model.Generate(tokenizer.EncodeBatch(texts, new BatchEncodeOptions { Padding = PaddingStrategy.Longest }), Greedy);
        for (var i = 0; i < texts.Length; i++)
            batch.Completion(i).ToArray().Should().Equal(model.Generate(tokenizer.Encode(texts[i]), Greedy).Completion(0).ToArray());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void A_cache_whose_tokens_are_not_given_is_refused_before_it_is_changed(int generation)
    {
        using var model = TinyModels.Create(TinyModels.Of(generation));
        var ids = TinyModels.Ids([.. TinyModels.Prompt]);
        using var cache = model.Forward(new ModelInputs { InputIds = ids, UseCache = true }).PastKeyValues!;
        FluentActions.Invoking(() => model.Generate(new ModelInputs { InputIds = ids, PastKeyValues = cache })).Should().Throw<ModelInputException>().WithMessage("PastKeyValues*7 tokens*");
        cache.Length.Should().Be(7);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void NaN_weights_are_a_clear_error_to_every_search(int generation)
    {
        using var model = TinyModels.Create(TinyModels.Of(generation));
        model.NamedParameters().First(p => p.Name.EndsWith("final_layernorm.weight", StringComparison.Ordinal)).Parameter.AsSpan<float>()[0] = float.NaN;
        foreach (var options in new[] { Greedy, Greedy with { DoSample = true }, Greedy with { NumBeams = 2 }, Greedy with { NumBeams = 2, DoSample = true } })
            FluentActions.Invoking(() => model.Generate(TinyModels.Prompt, options)).Should().Throw<InvalidLogitsException>().WithMessage("*NaN*");
    }

    private static long[] Positions(int[] ids, ChatGLMTokenizer tokenizer)
    {
        var blank = Array.IndexOf(ids, tokenizer.MaskTokenId);
        return [.. Enumerable.Range(0, ids.Length).Select(i => (long)(i == ids.Length - 1 ? blank : i))];
    }

    internal static ChatGLMForConditionalGeneration Create(ChatGLMTokenizer tokenizer, ModelOptions options)
    {
        ChatGLMConfig config = tokenizer.Generation == ChatGLMGeneration.ChatGLM6B
            ? TinyModels.First with
            {
                VocabSize = tokenizer.VocabSize + 8, MaxSequenceLength = 1024, BosTokenId = tokenizer.SopTokenId, EosTokenIds = [tokenizer.EopTokenId],
                MaskTokenId = tokenizer.MaskTokenId, GMaskTokenId = tokenizer.GMaskTokenId, PadTokenId = tokenizer.PadTokenId,
            }
            : TinyModels.Second with { PaddedVocabSize = tokenizer.VocabSize + 8, SeqLength = 1024 };
        return AutoModel.FromConfig(config, options);
    }
}
