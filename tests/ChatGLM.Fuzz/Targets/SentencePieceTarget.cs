using System.Buffers.Binary;
using ChatGLM.Fuzz.Files;
using ChatGLM.Tokenizers;
using ChatGLM.Tokenizers.SentencePiece;

namespace ChatGLM.Fuzz.Targets;

internal static class SentencePieceTarget
{
    private const int Unigram = 1;
    private const int Bpe = 2;

    private static readonly (string Text, int Type)[] Pieces =
        [("<unk>", 2), ("<s>", 3), ("\u2581", 1), ("a", 1), ("b", 1), ("ab", 1), ("\u2581ab", 1), ("你", 1), ("好", 1), ("你好", 1), ("<user>", 4), ("aba", 5)];

    private static readonly byte[] Sample = "  ab aba <user>你好，A\u0301\n\tＦｕｌｌ 😀 \u0000zzz"u8.ToArray();

    public static IReadOnlyList<byte[]> Seeds { get; } =
        [Model(Unigram, false, false, null), Model(Bpe, false, false, null), Model(Bpe, true, true, null), Model(Unigram, true, true, null)];

    /// <summary>Reads a model, then encodes a text with it: damage that parses must not hurt later.</summary>
    public static void Read(byte[] bytes)
    {
        var model = SentencePieceModel.Parse(bytes);
        var ids = new PooledList<int>(64);
        try
        {
            model.EncodeAsIds(Sample, ref ids);
            foreach (var id in ids.Span)
                model.IdToPiece(id);
        }
        finally
        {
            ids.Dispose();
        }
    }

    public static byte[] Grammar(FuzzRandom random) => Model(random.OneIn(2) ? Unigram : Bpe, random.OneIn(3), random.OneIn(2), random);

    private static byte[] Model(int type, bool byteFallback, bool withRules, FuzzRandom? random)
    {
        var model = new ProtobufWriter();
        for (var i = 0; i < Pieces.Length; i++)
        {
            var (text, kind) = random?.OneIn(12) == true ? random.Of(Pieces) : Pieces[i];
            var score = random?.OneIn(12) == true ? random.Of([float.NaN, float.PositiveInfinity, float.MinValue, 1e38f, -0f]) : -i;
            model.Message(1, new ProtobufWriter().Text(1, text).Single(2, score).Number(3, random?.OneIn(20) == true ? random.Edge() : (ulong)kind));
        }

        for (var b = 0; byteFallback && b < 256; b++)
            model.Message(1, new ProtobufWriter().Text(1, $"<0x{b:X2}>").Single(2, 0).Number(3, 6));
        model.Message(2, new ProtobufWriter().Number(3, (ulong)type).Number(35, byteFallback ? 1u : 0).Number(24, random?.OneIn(5) == true ? 1u : 0));
        var normalizer = new ProtobufWriter().Number(3, 1).Number(4, random?.OneIn(2) == true ? 0u : 1).Number(5, 1);
        if (withRules)
            normalizer.Bytes(2, Rules(random));
        model.Message(3, normalizer);
        return model.ToArray();
    }

    /// <summary>A double array of one rule, 'A' to 'a'; in the fuzzed form some units are anything.</summary>
    private static byte[] Rules(FuzzRandom? random)
    {
        const int Units = 256;
        const uint IsLeaf = 1u << 31;
        const uint HasLeaf = 1u << 8;
        var units = new uint[Units];
        units['A'] = 'A' | HasLeaf | (1u << 10); // offset 1: its leaf is at 'A' ^ 1
        units['A' ^ 1] = IsLeaf;
        for (var count = random?.Below(8) ?? 0; count > 0; count--)
            units[random!.Below(Units)] = random.OneIn(2) ? (uint)random.Next() : (uint)(random.Below(256) | (random.Below(256) << 10)) | (random.OneIn(2) ? HasLeaf : 0);
        var blob = new byte[4 + (4 * Units)];
        BinaryPrimitives.WriteUInt32LittleEndian(blob, 4 * Units);
        for (var i = 0; i < Units; i++)
            BinaryPrimitives.WriteUInt32LittleEndian(blob.AsSpan(4 + (4 * i)), units[i]);
        return [.. blob, .. "a\0"u8];
    }
}
