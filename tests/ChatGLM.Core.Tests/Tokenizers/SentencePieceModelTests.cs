using System.Diagnostics;
using System.Text;
using System.Text.Json;
using ChatGLM.Tokenizers;
using ChatGLM.Tokenizers.SentencePiece;

namespace ChatGLM.Core.Tests.Tokenizers;

public sealed class SentencePieceModelTests
{
    [Theory]
    [InlineData("bpe")]
    [InlineData("unigram")]
    public void Encodes_and_decodes_as_the_sentencepiece_library(string name)
    {
        var model = SmallTokenizers.Model(name);
        var recorded = SmallTokenizers.Recorded(name);
        model.Vocabulary.Count.Should().Be(recorded.GetProperty("vocab_size").GetInt32());
        foreach (var row in recorded.GetProperty("strings").EnumerateArray())
        {
            var text = row.GetProperty("text").GetString()!;
            var ids = Ids(model, text);
            ids.Should().Equal(Ints(row.GetProperty("ids")), "of {0}", text);
            Pieces(model, text).Should().Equal(row.GetProperty("pieces").EnumerateArray().Select(p => p.GetString()!), "of {0}", text);
            Decode(model, ids).Should().Be(row.GetProperty("decoded").GetString());
        }

        foreach (var row in recorded.GetProperty("decodings").EnumerateArray())
            Decode(model, Ints(row.GetProperty("ids"))).Should().Be(row.GetProperty("decoded").GetString());
    }

    [Theory]
    [InlineData("bpe")]
    [InlineData("unigram")]
    public void Segments_give_the_same_merges_as_the_whole_text(string name)
    {
        // A marked-unused piece that never occurs switches off the cutting of the text: a second way to the same result.
        var bytes = SmallTokenizers.ModelBytes(name);
        var cut = SentencePieceModel.Parse(bytes);
        var whole = SentencePieceModel.Parse([.. bytes, .. PieceMessage("\u0001\u0002\u0003", 0, PieceType.Unused)]);
        var random = new Random(3);
        for (var i = 0; i < 200; i++)
        {
            var text = SmallTokenizers.RandomText(random, 1 + random.Next(120));
            Ids(whole, text).Should().Equal(Ids(cut, text), "of {0}", text);
        }
    }

    [Fact]
    public void Unused_piece_is_taken_apart_again()
    {
        var model = SentencePieceModel.Parse(Model(
            2, byteFallback: false,
            ("<unk>", 0, PieceType.Unknown), ("a", -3, PieceType.Normal), ("b", -4, PieceType.Normal), ("ab", -1, PieceType.Unused), ("abb", -2, PieceType.Normal)));
        Pieces(model, "ab").Should().Equal("\u2581", "a", "b");
        Pieces(model, "abb").Should().Equal("\u2581", "abb");
    }

    [Fact]
    public void Unknown_characters_in_a_row_are_one_piece_without_byte_fallback()
    {
        var model = SentencePieceModel.Parse(Model(1, false, ("<unk>", 0, PieceType.Unknown), ("a", -1, PieceType.Normal), ("\u2581", -2, PieceType.Normal)));
        Pieces(model, "a你好a").Should().Equal("\u2581", "a", "你好", "a");
        Ids(model, "a你好a").Should().Equal(2, 1, 0, 1);
        Decode(model, [2, 1, 0, 1]).Should().Be("a \u2047 a");
    }

    [Fact]
    public void User_defined_piece_wins_over_better_scored_pieces()
    {
        foreach (var type in new[] { 1, 2 })
        {
            var model = SentencePieceModel.Parse(Model(
                type, false,
                ("<unk>", 0, PieceType.Unknown), ("\u2581", -1, PieceType.Normal), ("a", -1, PieceType.Normal), ("b", -1, PieceType.Normal),
                ("c", -1, PieceType.Normal), ("bc", -0.5f, PieceType.Normal), ("ab", 0, PieceType.UserDefined)));
            Pieces(model, "abc").Should().Equal(["\u2581", "ab", "c"], "of model type {0}", type);
        }
    }

    [Theory]
    [InlineData("bpe", "a")]
    [InlineData("bpe", "的")]
    [InlineData("bpe", " ")]
    [InlineData("bpe", "ing")]
    [InlineData("bpe", "\uE000")]
    [InlineData("unigram", "a")]
    [InlineData("unigram", "的")]
    [InlineData("unigram", " ")]
    [InlineData("unigram", "<n>")]
    public void Long_texts_take_time_in_proportion(string name, string unit)
    {
        var model = SmallTokenizers.Model(name);
        var text = string.Concat(Enumerable.Repeat(unit, (1 << 20) / unit.Length));
        var clock = Stopwatch.StartNew();
        var ids = Ids(model, text);

        // A quadratic step over a million characters takes minutes; this takes about a second.
        clock.Elapsed.Should().BeLessThan(TimeSpan.FromSeconds(20));
        Decode(model, ids).Length.Should().BeCloseTo(name == "unigram" && unit == " " ? 0 : text.Length, 2);
    }

    [Fact]
    public void Any_truncation_is_refused_or_gives_a_working_model()
    {
        foreach (var name in new[] { "bpe", "unigram" })
        {
            var bytes = SmallTokenizers.ModelBytes(name);
            for (var length = 0; length < bytes.Length; length += 211)
                Try(bytes.AsSpan(0, length));
        }
    }

    [Fact]
    public void Any_flipped_byte_is_refused_or_gives_a_working_model()
    {
        var random = new Random(11);
        foreach (var name in new[] { "bpe", "unigram" })
        {
            for (var i = 0; i < 80; i++)
            {
                var bytes = SmallTokenizers.ModelBytes(name);

                // The end of the file holds the normaliser, the most intricate part.
                var from = i % 2 == 0 ? 0 : bytes.Length - 2600;
                for (var flips = 0; flips < 3; flips++)
                    bytes[random.Next(from, bytes.Length)] ^= (byte)(1 << random.Next(8));
                Try(bytes);
            }
        }
    }

    public static TheoryData<string, byte[], string> HostileFiles => new()
    {
        { "empty", [], "unknown piece" },
        { "not protobuf", "this is no model"u8.ToArray(), "damaged at byte" },
        { "length beyond the end", [0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0x07], "at byte 6" },
        { "endless varint", [.. Enumerable.Repeat((byte)0xFF, 40)], "varint" },
        { "a group", [0x0B], "wire type" },
        { "field zero", [0x02, 0x00], "field number" },
        { "piece of the wrong kind", [0x08, 0x01], "wire type" },
        { "no unknown piece", Model(1, false, ("a", 0, PieceType.Normal)), "there is none" },
        { "two unknown pieces", Model(1, false, ("a", 0, PieceType.Unknown), ("b", 0, PieceType.Unknown)), "both are" },
        { "same piece twice", Model(1, false, ("<unk>", 0, PieceType.Unknown), ("b", 0, PieceType.Normal), ("b", 0, PieceType.Normal)), "the same" },
        { "same control piece twice", Model(1, false, ("<unk>", 0, PieceType.Unknown), ("b", 0, PieceType.Control), ("b", 0, PieceType.Control)), "there again" },
        { "empty piece", Model(1, false, ("<unk>", 0, PieceType.Unknown), ("", 0, PieceType.Normal)), "0 bytes" },
        { "endless piece", Model(1, false, ("<unk>", 0, PieceType.Unknown), (new string('a', 100_000), 0, PieceType.Normal)), "100000 bytes" },
        { "score not a number", Model(1, false, ("<unk>", float.NaN, PieceType.Unknown)), "finite" },
        { "byte pieces missing", Model(1, true, ("<unk>", 0, PieceType.Unknown)), "0x00" },
        { "byte piece without fallback", Model(1, false, ("<unk>", 0, PieceType.Unknown), ("<0x00>", 0, PieceType.Byte)), "byte_fallback" },
        { "unknown model type", Model(4, false, ("<unk>", 0, PieceType.Unknown)), "model_type" },
        { "piece not in UTF-8", [0x0A, 0x03, 0x0A, 0x01, 0xFF], "UTF-8" },
        { "charsmap cut off", [.. Model(1, false, ("<unk>", 0, PieceType.Unknown)), 0x1A, 0x04, 0x12, 0x02, 0x01, 0x00], "precompiled_charsmap" },
        { "charsmap beyond its end", [.. Model(1, false, ("<unk>", 0, PieceType.Unknown)), 0x1A, 0x08, 0x12, 0x06, 0xFF, 0xFF, 0xFF, 0x7F, 0, 0], "precompiled_charsmap" },
        { "charsmap with a wild offset", [.. Model(1, false, ("<unk>", 0, PieceType.Unknown)), 0x1A, 0x0B, 0x12, 0x09, 4, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0x7F, 0], "offset" },
    };

    [Theory]
    [MemberData(nameof(HostileFiles))]
    public void Refuses_a_hostile_file(string what, byte[] file, string says)
    {
        var parse = () => { SentencePieceModel.Parse(file); };
        parse.Should().Throw<TokenizerException>(what).WithMessage($"*{says}*");
    }

    [Fact]
    public void Refuses_a_file_that_is_too_large()
    {
        var parse = () => { SentencePieceModel.Parse(new byte[SentencePieceModel.MaxFileBytes + 1]); };
        parse.Should().Throw<TokenizerException>().WithMessage("*too large*");
    }

    [Fact]
    public void Trie_finds_exactly_its_keys_and_the_longest_prefix()
    {
        var random = new Random(5);
        var words = new HashSet<string>();
        while (words.Count < 5000)
            words.Add(string.Concat(Enumerable.Range(0, random.Next(1, 9)).Select(_ => (char)random.Next(random.Next(2) == 0 ? 'd' : 0x700))).Replace('\0', 'x'));
        var (list, blob, keys) = (words.ToArray(), new List<byte>(), new List<ByteTrieKey>());
        for (var i = 0; i < list.Length; i++)
        {
            var bytes = Encoding.UTF8.GetBytes(list[i]);
            keys.Add(new ByteTrieKey(blob.Count, bytes.Length, i));
            blob.AddRange(bytes);
        }

        var trie = ByteTrie.Build(blob.ToArray(), keys.ToArray());
        for (var i = 0; i < list.Length; i++)
        {
            trie.Find(Encoding.UTF8.GetBytes(list[i])).Should().Be(i);
            var other = list[i] + (char)random.Next(1, 128);
            trie.Find(Encoding.UTF8.GetBytes(other)).Should().Be(Array.IndexOf(list, other));
            var expected = Enumerable.Range(1, other.Length).Where(n => words.Contains(other[..n])).Select(n => Encoding.UTF8.GetByteCount(other[..n])).Max();
            trie.LongestPrefix(Encoding.UTF8.GetBytes(other)).Should().Be(expected);
        }
    }

    internal static int[] Ids(SentencePieceModel model, string text)
    {
        var ids = new PooledList<int>(16);
        try
        {
            model.EncodeAsIds(Encoding.UTF8.GetBytes(text), ref ids);
            return ids.ToArray();
        }
        finally
        {
            ids.Dispose();
        }
    }

    /// <summary>Parsing ends in a model that can encode and decode, or in the typed error.</summary>
    private static void Try(ReadOnlySpan<byte> bytes)
    {
        try
        {
            var model = SentencePieceModel.Parse(bytes);
            Decode(model, Ids(model, "你好，world　１２３ <n> \uE000"));
        }
        catch (TokenizerException e)
        {
            e.Message.Should().NotBeEmpty();
        }
    }

    private static string[] Pieces(SentencePieceModel model, string text)
    {
        var pieces = new List<string>();
        model.EncodeAsPieces(Encoding.UTF8.GetBytes(text), pieces);
        return [.. pieces];
    }

    private static string Decode(SentencePieceModel model, int[] ids)
    {
        var output = new StringBuilder();
        var decoder = new PieceDecoder(model);
        foreach (var id in ids)
            decoder.Append(id, output);
        decoder.Flush(output);
        return output.ToString();
    }

    private static int[] Ints(JsonElement array) => [.. array.EnumerateArray().Select(n => n.GetInt32())];

    /// <summary>A model file of a few pieces.</summary>
    private static byte[] Model(int type, bool byteFallback, params (string Piece, float Score, PieceType Type)[] pieces) =>
    [
        .. pieces.SelectMany(p => PieceMessage(p.Piece, p.Score, p.Type)),
        0x12, 0x05, 0x18, (byte)type, 0x98, 0x02, byteFallback ? (byte)1 : (byte)0,
    ];

    private static byte[] PieceMessage(string piece, float score, PieceType type)
    {
        var text = Encoding.UTF8.GetBytes(piece);
        byte[] body = [0x0A, .. Varint(text.Length), .. text, 0x15, .. BitConverter.GetBytes(score), 0x18, (byte)type];
        return [0x0A, .. Varint(body.Length), .. body];
    }

    private static IEnumerable<byte> Varint(int value)
    {
        for (; value >= 0x80; value >>= 7)
            yield return (byte)(value | 0x80);
        yield return (byte)value;
    }

    [Fact]
    public void A_normaliser_whose_first_unit_is_a_leaf_is_refused()
    {
        // A trie of 256 units, all zero but the first: a leaf whose offset, if it were none, lies far outside. Found by the fuzzer.
        var blob = new byte[4 + 1024 + 2];
        BitConverter.TryWriteBytes(blob.AsSpan(0), 1024);
        BitConverter.TryWriteBytes(blob.AsSpan(4), 0x80000000u).Should().BeTrue();
        FluentActions.Invoking(() => PrecompiledCharsMap.Parse(blob, 0)).Should().Throw<TokenizerException>().WithMessage("*at byte 4*");
        BitConverter.TryWriteBytes(blob.AsSpan(4), 0u);
        PrecompiledCharsMap.Parse(blob, 0)!.MayStartWith((byte)'a').Should().BeFalse();
    }
}
