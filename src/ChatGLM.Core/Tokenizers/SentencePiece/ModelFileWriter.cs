using System.Buffers.Binary;

namespace ChatGLM.Tokenizers.SentencePiece;

/// <summary>Writes a SentencePiece model file of the BPE kind from pieces that another file holds.</summary>
internal static class ModelFileWriter
{
    private const int Varint = 0;
    private const int Bytes = 2;
    private const int Fixed32 = 5;

    /// <summary>The file.</summary>
    /// <param name="pieces">The text of every piece, in UTF-8, with its score and type.</param>
    /// <param name="normalizer">What is done to a text before it is split.</param>
    /// <param name="charsMap">The replacement rules, or null for none.</param>
    public static byte[] Write(IReadOnlyList<(byte[] Piece, float Score, PieceType Type)> pieces, NormalizerSpec normalizer, byte[]? charsMap)
    {
        var file = new List<byte>();
        Span<byte> bits = stackalloc byte[sizeof(float)];
        foreach (var (piece, score, type) in pieces)
        {
            var message = new List<byte>();
            AddBytes(message, 1, piece);
            AddKey(message, 2, Fixed32);
            BinaryPrimitives.WriteSingleLittleEndian(bits, score);
            message.AddRange(bits);
            AddNumber(message, 3, (ulong)type);
            AddBytes(file, 1, [.. message]);
        }

        var trainer = new List<byte>();
        AddNumber(trainer, 3, 2); // BPE
        AddNumber(trainer, 35, pieces.Any(p => p.Type == PieceType.Byte) ? 1u : 0);
        AddBytes(file, 2, [.. trainer]);
        var rules = new List<byte>();
        if (charsMap is not null)
            AddBytes(rules, 2, charsMap);
        AddNumber(rules, 3, normalizer.AddDummyPrefix ? 1u : 0);
        AddNumber(rules, 4, normalizer.RemoveExtraWhitespaces ? 1u : 0);
        AddNumber(rules, 5, normalizer.EscapeWhitespaces ? 1u : 0);
        AddBytes(file, 3, [.. rules]);
        return [.. file];
    }

    private static void AddBytes(List<byte> message, int field, byte[] bytes)
    {
        AddKey(message, field, Bytes);
        AddVarint(message, (ulong)bytes.Length);
        message.AddRange(bytes);
    }

    private static void AddNumber(List<byte> message, int field, ulong number)
    {
        AddKey(message, field, Varint);
        AddVarint(message, number);
    }

    private static void AddKey(List<byte> message, int field, int kind) => AddVarint(message, (ulong)((field << 3) | kind));

    private static void AddVarint(List<byte> message, ulong number)
    {
        for (; number >= 128; number >>= 7)
            message.Add((byte)(number | 128));
        message.Add((byte)number);
    }
}
