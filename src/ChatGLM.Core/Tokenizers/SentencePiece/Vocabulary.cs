using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace ChatGLM.Tokenizers.SentencePiece;

/// <summary>The pieces of a model file: their bytes, scores and types, and how to find one.</summary>
internal sealed class Vocabulary
{
    private readonly byte[] _blob;
    private readonly int[] _starts;
    private readonly float[] _scores;
    private readonly PieceType[] _types;
    private readonly Dictionary<string, int> _reserved;
    private readonly int[] _bytePieces = new int[256];

    private Vocabulary(byte[] blob, int[] starts, float[] scores, PieceType[] types, Dictionary<string, int> reserved, ByteTrie text, int unk)
    {
        _blob = blob;
        _starts = starts;
        _scores = scores;
        _types = types;
        _reserved = reserved;
        Text = text;
        UnkId = unk;
    }

    public int Count => _types.Length;

    public int UnkId { get; }

    /// <summary>The pieces that a text can be split into: normal, user-defined and unused ones.</summary>
    public ByteTrie Text { get; }

    /// <summary>The user-defined pieces alone, or null when there is none.</summary>
    public ByteTrie? UserDefined { get; private init; }

    public bool HasUnused { get; private init; }

    public ReadOnlySpan<float> Scores => _scores;

    public PieceType TypeOf(int id) => _types[id];

    public ReadOnlySpan<byte> BytesOf(int id) => _blob.AsSpan(_starts[id], _starts[id + 1] - _starts[id]);

    public string TextOf(int id) => Encoding.UTF8.GetString(BytesOf(id));

    /// <summary>The id of the piece for one byte; only with byte fallback.</summary>
    public int BytePiece(byte b) => _bytePieces[b];

    /// <summary>The byte that a byte piece stands for.</summary>
    public byte ByteOf(int id) => ParseByte(BytesOf(id)) is var value and >= 0 ? (byte)value : (byte)0;

    /// <summary>The id of a piece, or -1. Control and byte pieces come before text of the same spelling.</summary>
    public int Find(string piece) => _reserved.TryGetValue(piece, out var id) ? id : Text.Find(Encoding.UTF8.GetBytes(piece));

    /// <summary>The id that a piece found in the text has in the end: a control or byte piece of the same spelling comes first.</summary>
    public bool IsShadowed(string piece) => _reserved.ContainsKey(piece);

    /// <summary>Collects the pieces as a model file is read, then checks and indexes them.</summary>
    internal sealed class Builder
    {
        /// <summary>No trained piece comes near it, and it bounds the work at each position of a text.</summary>
        private const int MaxPieceBytes = 512;

        private readonly List<byte> _blob = [];
        private readonly List<int> _starts = [0];
        private readonly List<float> _scores = [];
        private readonly List<PieceType> _types = [];

        /// <summary>Reads one SentencePiece message.</summary>
        public void Add(ReadOnlySpan<byte> message, int origin)
        {
            var reader = new ProtobufReader(message, origin, $"pieces[{_types.Count}]");
            ReadOnlySpan<byte> piece = default;
            var score = 0f;
            var type = PieceType.Normal;
            while (reader.Next())
            {
                switch (reader.Field)
                {
                    case 1:
                        piece = reader.RequireBytes();
                        break;
                    case 2:
                        score = reader.AsSingle;
                        break;
                    case 3:
                        if (reader.Number is < 1 or > 6)
                            throw reader.Error(reader.Offset, "a type between 1 and 6", reader.Number.ToString(CultureInfo.InvariantCulture));
                        type = (PieceType)reader.Number;
                        break;
                    default:
                        break;
                }
            }

            if (piece.IsEmpty || piece.Length > MaxPieceBytes)
                throw reader.Error(origin, $"a piece of 1 to {MaxPieceBytes} bytes", $"{piece.Length} bytes");
            if (!System.Text.Unicode.Utf8.IsValid(piece))
                throw reader.Error(origin, "a piece in UTF-8", "bytes that are not");
            if (!float.IsFinite(score))
                throw reader.Error(origin, "a finite score", score.ToString(CultureInfo.InvariantCulture));
            _blob.AddRange(piece);
            _starts.Add(_blob.Count);
            _scores.Add(score);
            _types.Add(type);
        }

        public Vocabulary Build(bool byteFallback)
        {
            var blob = _blob.ToArray();
            var reserved = new Dictionary<string, int>(StringComparer.Ordinal);
            var text = new List<ByteTrieKey>();
            var userDefined = new List<ByteTrieKey>();
            var byteIds = new int[256];
            Array.Fill(byteIds, -1);
            var unk = -1;
            for (var id = 0; id < _types.Count; id++)
            {
                var key = new ByteTrieKey(_starts[id], _starts[id + 1] - _starts[id], id);
                var piece = blob.AsSpan(key.Start, key.Length);
                if (_types[id] is PieceType.Normal or PieceType.UserDefined or PieceType.Unused)
                {
                    text.Add(key);
                    if (_types[id] == PieceType.UserDefined)
                        userDefined.Add(key);
                    continue;
                }

                if (!reserved.TryAdd(Encoding.UTF8.GetString(piece), id))
                    throw Damaged($"each piece once, but '{Encoding.UTF8.GetString(piece)}' is there again as piece {id}");
                if (_types[id] == PieceType.Unknown)
                {
                    if (unk >= 0)
                        throw Damaged($"one unknown piece, but pieces {unk} and {id} both are");
                    unk = id;
                }
                else if (_types[id] == PieceType.Byte)
                {
                    if (!byteFallback || ParseByte(piece) is not (var value and >= 0))
                        throw Damaged($"byte pieces <0x00> to <0xFF> in a model with byte_fallback, but piece {id} is '{Encoding.UTF8.GetString(piece)}'");
                    byteIds[value] = id;
                }
            }

            if (unk < 0)
                throw Damaged("one unknown piece, but there is none");
            if (byteFallback && Array.IndexOf(byteIds, -1) is var missing and >= 0)
                throw Damaged($"all 256 byte pieces, but <0x{missing:X2}> is missing");
            try
            {
                var vocabulary = new Vocabulary(
                    blob, [.. _starts], [.. _scores], [.. _types], reserved,
                    ByteTrie.Build(blob, CollectionsMarshal.AsSpan(text)), unk)
                {
                    UserDefined = userDefined.Count == 0
                        ? null
                        : ByteTrie.Build(blob, CollectionsMarshal.AsSpan(userDefined)),
                    HasUnused = _types.Contains(PieceType.Unused),
                };
                byteIds.CopyTo(vocabulary._bytePieces, 0);
                return vocabulary;
            }
            catch (ByteTrie.DuplicateKeyException e)
            {
                throw Damaged($"each piece once, but pieces {e.First} and {e.Second} are the same");
            }
        }

        private static TokenizerException Damaged(string expected) =>
            new($"The SentencePiece model is damaged: expected {expected}. Download the file again.");
    }

    private static int ParseByte(ReadOnlySpan<byte> piece) =>
        piece.Length == 6 && piece.StartsWith("<0x"u8) && piece[5] == '>' && Hex(piece[3]) is var high and >= 0 && Hex(piece[4]) is var low and >= 0
            ? (high * 16) + low
            : -1;

    private static int Hex(byte digit) => digit switch
    {
        >= (byte)'0' and <= (byte)'9' => digit - '0',
        >= (byte)'A' and <= (byte)'F' => digit - 'A' + 10,
        _ => -1,
    };
}
