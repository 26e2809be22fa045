using ChatGLM.Tokenizers;

namespace ChatGLM.Core.Tests.Tokenizers;

public sealed class StreamingDecoderTests
{
    [Theory]
    [MemberData(nameof(SmallTokenizers.Generations), MemberType = typeof(SmallTokenizers))]
    public void Parts_join_to_the_whole_for_any_ids(ChatGLMGeneration generation)
    {
        var tokenizer = SmallTokenizers.Get(generation);
        var random = new Random(17);
        foreach (var options in new[] { DecodeOptions.Default, new() { SkipSpecialTokens = true, CleanUpTokenizationSpaces = true } })
        {
            for (var i = 0; i < 400; i++)
            {
                // Half of the rows are mostly bytes and special tokens, the others any id, and a few beyond the vocabulary.
                var ids = new int[random.Next(1, 40)];
                for (var k = 0; k < ids.Length; k++)
                    ids[k] = random.Next(i % 2 == 0 ? 350 : tokenizer.VocabSize + 5);
                var decoder = tokenizer.CreateStreamingDecoder(options);
                Stream(decoder, ids).Should().Be(tokenizer.Decode(ids, options), "of {0}", string.Join(' ', ids));
            }
        }
    }

    [Theory]
    [MemberData(nameof(SmallTokenizers.Generations), MemberType = typeof(SmallTokenizers))]
    public void Parts_join_to_the_whole_for_any_text(ChatGLMGeneration generation)
    {
        var tokenizer = SmallTokenizers.Get(generation);
        var random = new Random(19);
        var options = new DecodeOptions { CleanUpTokenizationSpaces = true };
        for (var i = 0; i < 300; i++)
        {
            var ids = tokenizer.Encode(SmallTokenizers.RandomText(random, 80));
            var decoder = tokenizer.CreateStreamingDecoder(options);
            Stream(decoder, ids).Should().Be(tokenizer.Decode(ids, options));
        }
    }

    [Theory]
    [MemberData(nameof(SmallTokenizers.Generations), MemberType = typeof(SmallTokenizers))]
    public void Never_splits_a_character(ChatGLMGeneration generation)
    {
        var tokenizer = SmallTokenizers.Get(generation);
        var ids = tokenizer.Encode("😀龘👩‍👩‍👧𪚥 ok", null, new() { AddSpecialTokens = false });
        var decoder = tokenizer.CreateStreamingDecoder();
        var parts = ids.Select(decoder.Append).ToList();
        parts.Add(decoder.Flush());
        foreach (var part in parts)
        {
            part.Should().NotContain("\uFFFD");
            (part.Length > 0 && (char.IsLowSurrogate(part[0]) || char.IsHighSurrogate(part[^1]))).Should().BeFalse("'{0}' holds whole characters", part);
        }
    }

    [Fact]
    public void Unfinished_character_is_a_replacement_character_at_the_end()
    {
        var tokenizer = SmallTokenizers.Get(ChatGLMGeneration.ChatGLM2);
        var decoder = tokenizer.CreateStreamingDecoder();
        decoder.Append(tokenizer.ConvertTokenToId("<0xE4>")).Should().BeEmpty();
        decoder.Append(tokenizer.ConvertTokenToId("<0xBD>")).Should().BeEmpty();
        decoder.Flush().Should().Be("\uFFFD\uFFFD");
    }

    [Fact]
    public void Text_comes_as_soon_as_it_is_certain()
    {
        var tokenizer = SmallTokenizers.Get(ChatGLMGeneration.ChatGLM2);
        var decoder = tokenizer.CreateStreamingDecoder();
        decoder.Append(tokenizer.ConvertTokenToId("<0xE4>")).Should().BeEmpty();
        decoder.Append(tokenizer.ConvertTokenToId("<0xBD>")).Should().BeEmpty();
        decoder.Append(tokenizer.ConvertTokenToId("<0xA0>")).Should().Be("你");
        decoder.Append(tokenizer.ConvertTokenToId("<0x21>")).Should().Be("!");
    }

    [Fact]
    public void Chatglm_6b_holds_back_only_what_clean_up_could_change()
    {
        var tokenizer = SmallTokenizers.Get(ChatGLMGeneration.ChatGLM6B);
        var decoder = tokenizer.CreateStreamingDecoder();
        string Next(string piece) => decoder.Append(tokenizer.ConvertTokenToId(piece));
        Next("<0x61>").Should().Be("a");
        Next("<0x20>").Should().BeEmpty();
        Next("<0x2E>").Should().Be(".");
        Next("<0x20>").Should().BeEmpty();
        Next("<0x62>").Should().Be(" b");
        Next("<0x3C>").Should().BeEmpty("it could become <n>");
        Next("<0x6E>").Should().BeEmpty();
        Next("<0x3E>").Should().Be("\n");
        Next("<|blank_3|>").Should().BeEmpty("a full stop or a short form could follow");
        decoder.Flush().Should().Be("   ");
    }

    private static string Stream(StreamingDecoder decoder, int[] ids)
    {
        var text = new System.Text.StringBuilder();
        foreach (var id in ids)
            text.Append(decoder.Append(id));
        return text.Append(decoder.Flush()).ToString();
    }
}
