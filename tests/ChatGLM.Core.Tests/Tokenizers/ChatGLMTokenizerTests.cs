using ChatGLM.Tokenizers;

namespace ChatGLM.Core.Tests.Tokenizers;

public sealed class ChatGLMTokenizerTests
{
    private static readonly EncodeOptions Bare = new() { AddSpecialTokens = false };
    private static readonly EncodeOptions Plain = new() { AddSpecialTokens = false, SplitSpecialTokens = true };

    [Theory]
    [MemberData(nameof(SmallTokenizers.Generations), MemberType = typeof(SmallTokenizers))]
    public void Any_text_encodes_to_ids_of_the_vocabulary_and_decodes(ChatGLMGeneration generation)
    {
        var tokenizer = SmallTokenizers.Get(generation);
        var random = new Random(23);
        for (var i = 0; i < 300; i++)
        {
            var text = SmallTokenizers.RandomText(random, random.Next(1, 100));
            var ids = tokenizer.Encode(text, null, Bare);
            ids.Should().OnlyContain(id => id >= 0 && id < tokenizer.VocabSize);
            ids.Should().Equal(tokenizer.ConvertTokensToIds(tokenizer.Tokenize(text)));
            if (generation != ChatGLMGeneration.ChatGLM6B)
                tokenizer.Decode(ids).Should().Be(Whole(text).Replace('\u2581', ' '), "2 and 3 lose nothing but the sign that stands for the space");
        }
    }

    [Theory]
    [InlineData("Hello, world!")]
    [InlineData("什么是人工智能？")]
    [InlineData("def f(x):\n    return x\n\t# done        ok")]
    public void Chatglm_6b_keeps_whitespace_and_narrows_full_width(string text)
    {
        var tokenizer = SmallTokenizers.Get(ChatGLMGeneration.ChatGLM6B);
        tokenizer.Decode(tokenizer.Encode(text)).Should().Be(text.Replace('？', '?'));
    }

    [Fact]
    public void Chatglm_6b_encodes_full_width_colon_as_ascii()
    {
        var tokenizer = SmallTokenizers.Get(ChatGLMGeneration.ChatGLM6B);
        tokenizer.Encode("问：好").Should().Equal(tokenizer.Encode("问:好"));
    }

    [Theory]
    [InlineData(81)]
    [InlineData(82)]
    [InlineData(160)]
    [InlineData(241)]
    public void Chatglm_6b_writes_long_runs_of_spaces_as_blanks_of_80(int count)
    {
        var tokenizer = SmallTokenizers.Get(ChatGLMGeneration.ChatGLM6B);
        var ids = tokenizer.Encode("a" + new string(' ', count) + "b", null, Bare);
        ids.Count(id => id == tokenizer.ConvertTokenToId("<|blank_80|>")).Should().Be(count / 80);
        tokenizer.Decode(ids).Should().Be("a" + new string(' ', count) + "b");
    }

    [Fact]
    public void Chatglm_6b_reads_typed_special_tokens_as_python_does_and_strips_beside_them()
    {
        var tokenizer = SmallTokenizers.Get(ChatGLMGeneration.ChatGLM6B);
        tokenizer.Tokenize("a \u3000[MASK] \n b <sop><eop>").Should().Equal(
            [.. tokenizer.Tokenize("a"), "[MASK]", .. tokenizer.Tokenize("b"), "<sop>", "<eop>"]);
        tokenizer.Encode("a\u001C[MASK]", null, Bare).Should().Equal([.. tokenizer.Encode("a", null, Bare), tokenizer.MaskTokenId]);
        tokenizer.Encode("[gMASK]", null, Bare).Should().NotContain(tokenizer.GMaskTokenId);
    }

    [Theory]
    [MemberData(nameof(SmallTokenizers.Generations), MemberType = typeof(SmallTokenizers))]
    public void Typed_special_tokens_are_plain_text_where_asked(ChatGLMGeneration generation)
    {
        var tokenizer = SmallTokenizers.Get(generation);
        string[] names = ["[MASK]", "[gMASK]", "[sMASK]", "<sop>", "<eop>", "sop", "eop", "<pad>", "<unk>", "<s>", "</s>", "<|user|>", "<|assistant|>", "<|system|>", "<|observation|>"];
        foreach (var name in names)
        {
            var ids = tokenizer.Encode("a " + name + " b", null, Plain);
            ids.Should().NotContain(SpecialIds(tokenizer), "{0} is text", name);
            tokenizer.Decode(ids).Should().Be("a " + name + " b");
        }
    }

    [Fact]
    public void Chatglm3_reads_role_names_only_where_the_options_ask_for_it()
    {
        using var folder = new TemporaryFolder();
        SmallTokenizers.WriteSnapshot(folder.Path, ChatGLMGeneration.ChatGLM3);
        var safe = AutoTokenizer.FromPretrained(folder.Path);
        var reading = AutoTokenizer.FromPretrained(folder.Path, new() { EncodeSpecialTokens = true });
        safe.Encode("<|user|>", null, Bare).Should().NotContain(safe.GetCommand("<|user|>"));
        reading.Encode("a<|user|>b", null, Bare).Should().Equal(
            [.. safe.Encode("a", null, Bare), safe.GetCommand("<|user|>"), .. safe.Encode("b", null, Bare)]);
        reading.BuildChatInput("<|user|>").Should().Equal(safe.BuildChatInput("<|user|>"), "chat never reads them");
    }

    [Fact]
    public void Early_vocabulary_starts_with_image_tokens()
    {
        var late = (ChatGLM6BTokenizer)SmallTokenizers.Get(ChatGLMGeneration.ChatGLM6B);
        foreach (var extra in new[] { ", \"num_image_tokens\": 20000", ", \"num_image_tokens\": null" })
        {
            var early = (ChatGLM6BTokenizer)SmallTokenizers.Open(ChatGLMGeneration.ChatGLM6B, extra);
            early.NumImageTokens.Should().Be(20000, "it is the default too");
            early.VocabSize.Should().Be(20000 + late.VocabSize);
            early.Encode("你好 [MASK]").Should().Equal(late.Encode("你好 [MASK]").Select(id => id + 20000));
            early.PadTokenId.Should().Be(20000 + late.PadTokenId);
            early.ConvertIdToToken(7).Should().Be("<image_7>");
            early.ConvertTokenToId("<image_7>").Should().Be(7);
            early.Decode([7, .. early.Encode("你好")]).Should().Be("<image_7> 你好");
        }
    }

    [Theory]
    [MemberData(nameof(SmallTokenizers.Generations), MemberType = typeof(SmallTokenizers))]
    public void Truncation_cuts_the_longer_of_a_pair_from_its_end(ChatGLMGeneration generation)
    {
        var tokenizer = SmallTokenizers.Get(generation);
        var (a, b) = (tokenizer.Encode("数据模型语言程序", null, Bare), tokenizer.Encode("question and answer", null, Bare));
        for (var length = 6; length < a.Length + b.Length + 4; length++)
        {
            var cut = tokenizer.Encode("数据模型语言程序", "question and answer", new() { Truncation = true, MaxLength = length });
            cut.Length.Should().Be(Math.Min(length, a.Length + b.Length + 3));
        }

        tokenizer.Encode("数据模型", null, new() { Truncation = true, MaxLength = 2 }).Length
            .Should().BeGreaterThan(2, "a text that would vanish is left alone");
    }

    [Fact]
    public void Pads_6b_on_the_left_with_mask_and_positions()
    {
        var tokenizer = SmallTokenizers.Get(ChatGLMGeneration.ChatGLM6B);
        var (mask, gmask, bos, pad) = (tokenizer.MaskTokenId, tokenizer.GMaskTokenId, tokenizer.BosTokenId, tokenizer.PadTokenId);
        var batch = tokenizer.Pad([[100, mask, 101, bos, 102], [gmask, bos]], new() { Padding = PaddingStrategy.Longest });
        batch.InputIds.Should().Equal(100, mask, 101, bos, 102, pad, pad, pad, gmask, bos);
        batch.PositionIds.Should().Equal(0, 1, 2, 1, 1, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
        batch.PositionIdsShape.Should().Equal(2, 2, 5);
        batch.AttentionMaskShape.Should().Equal(2, 1, 5, 5);
        batch.AttentionMask.Should().Equal(
            0, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0,
            1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 0, 0);
    }

    [Fact]
    public void Pads_2_and_3_on_the_left_with_mask_and_positions()
    {
        var batch = SmallTokenizers.Get(ChatGLMGeneration.ChatGLM2).Pad([[7, 8, 9], [7]], new() { Padding = PaddingStrategy.MaxLength, MaxLength = 3, PadToMultipleOf = 4 });
        batch.InputIds.Should().Equal(0, 7, 8, 9, 0, 0, 0, 7);
        batch.AttentionMask.Should().Equal(0, 1, 1, 1, 0, 0, 0, 1);
        batch.PositionIds.Should().Equal(0, 0, 1, 2, 0, 0, 0, 0);
        batch.Row(1).ToArray().Should().Equal(0, 0, 0, 7);
    }

    [Fact]
    public void Rows_that_differ_are_refused_without_padding()
    {
        var tokenizer = SmallTokenizers.Get(ChatGLMGeneration.ChatGLM2);
        var ragged = () => tokenizer.EncodeBatch(["a", "a b c"]);
        ragged.Should().Throw<TokenizerException>().WithMessage("*Row 0*Padding*");
        var tooLong = () => tokenizer.EncodeBatch(["a b c d e"], new() { Padding = PaddingStrategy.MaxLength, MaxLength = 3 });
        tooLong.Should().Throw<TokenizerException>().WithMessage("*Truncation*");
        tokenizer.EncodeBatch((string[])[]).InputIds.Should().BeEmpty();
    }

    [Theory]
    [MemberData(nameof(SmallTokenizers.Generations), MemberType = typeof(SmallTokenizers))]
    public void Unknown_ids_and_commands_are_typed_errors(ChatGLMGeneration generation)
    {
        var tokenizer = SmallTokenizers.Get(generation);
        var token = () => tokenizer.ConvertIdToToken(tokenizer.VocabSize);
        token.Should().Throw<TokenizerException>();
        var command = () => tokenizer.GetCommand("<|nobody|>");
        command.Should().Throw<TokenizerException>().WithMessage("*<|nobody|>*");
        tokenizer.Decode([tokenizer.VocabSize, int.MaxValue]).Should().BeEmpty("a model's table has more rows than the vocabulary");
    }

    [Theory]
    [MemberData(nameof(SmallTokenizers.Generations), MemberType = typeof(SmallTokenizers))]
    public async Task Works_from_several_threads_at_once(ChatGLMGeneration generation)
    {
        var tokenizer = SmallTokenizers.Get(generation);
        var texts = Enumerable.Range(0, 60).Select(i => SmallTokenizers.RandomText(new Random(i), 200)).ToArray();
        var expected = texts.Select(text => tokenizer.Encode(text)).ToArray();
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() =>
        {
            for (var i = 0; i < texts.Length; i++)
                tokenizer.Encode(texts[i]).Should().Equal(expected[i]);
        })));
    }

    private static int[] SpecialIds(ChatGLMTokenizer tokenizer)
    {
        string[] names = ["[MASK]", "[gMASK]", "[sMASK]", "<sop>", "<eop>", "sop", "eop", "<pad>", "<eos>", "<bos>", "</s>", "<|user|>", "<|assistant|>", "<|system|>", "<|observation|>"];
        var ids = new List<int> { tokenizer.UnkTokenId };
        foreach (var name in names)
        {
            try
            {
                ids.Add(tokenizer.GetCommand(name));
            }
            catch (TokenizerException)
            {
                // This generation has no such token.
                continue;
            }
        }

        return [.. ids];
    }

    /// <summary>What a lone surrogate becomes.</summary>
    private static string Whole(string text) => System.Text.Encoding.UTF8.GetString(System.Text.Encoding.UTF8.GetBytes(text));

    [Theory]
    [MemberData(nameof(SmallTokenizers.Generations), MemberType = typeof(SmallTokenizers))]
    public void One_tokenizer_serves_several_threads(ChatGLMGeneration generation)
    {
        var tokenizer = SmallTokenizers.Open(generation);
        var random = new Random(5);
        var texts = Enumerable.Range(0, 400).Select(_ => SmallTokenizers.RandomText(random, 60)).ToArray();
        var alone = SmallTokenizers.Open(generation);
        var expected = texts.Select(text => alone.Encode(text)).ToArray();
        var ids = new int[texts.Length][];
        var decoded = new string[texts.Length];
        Parallel.For(0, texts.Length, new ParallelOptions { MaxDegreeOfParallelism = 8 }, i =>
        {
            ids[i] = tokenizer.Encode(texts[i]);
            decoded[i] = tokenizer.Decode(ids[i]);
        });
        for (var i = 0; i < texts.Length; i++)
        {
            ids[i].Should().Equal(expected[i]);
            decoded[i].Should().Be(alone.Decode(expected[i]));
        }
    }

    [Theory]
    [InlineData(ChatGLMGeneration.ChatGLM6B, 60_000)]
    [InlineData(ChatGLMGeneration.ChatGLM2, int.MaxValue)]
    [InlineData(ChatGLMGeneration.ChatGLM3, -1)]
    public void A_batch_that_no_array_could_hold_is_refused(ChatGLMGeneration generation, int length)
    {
        var tokenizer = SmallTokenizers.Get(generation);
        var pad = () => tokenizer.Pad([], new BatchEncodeOptions { Padding = PaddingStrategy.MaxLength, MaxLength = length });
        if (length < 0)
            pad.Should().Throw<TokenizerException>().WithMessage("*-1*");
        var filled = () => tokenizer.EncodeBatch(["a", "b", "c"], new BatchEncodeOptions { Padding = PaddingStrategy.MaxLength, MaxLength = length, PadToMultipleOf = 64 });
        filled.Should().Throw<TokenizerException>();
    }
}
