using System.Numerics;
using System.Runtime.CompilerServices;

namespace ChatGLM.Tokenizers.SentencePiece;

/// <summary>
/// The merges that a BPE vocabulary allows, worked out once. A symbol is a piece of the vocabulary or a single character that occurs in one;
/// two symbols merge when their texts joined are a piece.
/// </summary>
internal sealed class BpeMerges
{
    /// <summary>A symbol that nothing merges with: an unknown character or a user-defined piece.</summary>
    public const int Frozen = -1;

    private readonly Vocabulary _vocabulary;
    private readonly Merge[] _table;
    private readonly int _tableShift;
    private readonly int[]?[] _charPages = new int[0x1100][];
    private readonly ulong[] _neighbours;
    private readonly int _neighbourShift;
    private readonly int[] _symbolIds;
    private readonly List<int> _characters = [];

    /// <summary>One entry of the hash table; Rank is 0 in a free one.</summary>
    private readonly record struct Merge(ulong Pair, int Result, int Rank);

    public BpeMerges(Vocabulary vocabulary)
    {
        _vocabulary = vocabulary;
        var ranks = RankScores(vocabulary.Scores);
        var reversed = ReversedTrie(vocabulary);
        var characters = _characters;
        var merges = new List<Merge>();
        var neighbours = new List<(int Left, int Right)>();
        Span<int> symbols = stackalloc int[512];
        Span<int> suffixes = stackalloc int[513];
        Span<int> starts = stackalloc int[513];
        for (var id = 0; id < vocabulary.Count; id++)
        {
            if (!IsText(vocabulary.TypeOf(id)))
                continue;
            var piece = vocabulary.BytesOf(id);
            var count = 0;
            for (var at = 0; at < piece.Length;)
            {
                var character = Utf8.Decode(piece[at..], out var length);
                symbols[count] = SymbolOrNew(character, piece.Slice(at, length), characters);
                starts[count++] = at;
                at += length;
            }

            if (count < 2)
                continue;
            starts[count] = piece.Length;
            FindSuffixes(reversed, piece, suffixes);
            var units = vocabulary.Text.Units;
            var unit = units[ByteTrie.Root];
            var merged = false;
            for (int i = 0, at = 0; i < count - 1; i++)
            {
                var alive = true;
                for (; at < starts[i + 1] && alive; at++)
                    alive = ByteTrie.TryStep(units, ref unit, piece[at]);
                if (!alive)
                    break;
                var left = i == 0 ? symbols[0] : ByteTrie.ValueOf(unit);
                var right = i == count - 2 ? symbols[count - 1] : suffixes[starts[i + 1]];
                if (left < 0 || right < 0)
                    continue;
                merges.Add(new Merge(PairOf(left, right), id, ranks[id]));
                merged = true;
            }

            for (var i = 1; merged && i < count; i++)
                neighbours.Add((symbols[i - 1], symbols[i]));
        }

        (_table, _tableShift) = BuildTable(merges);
        var bits = Math.Clamp(BitOperations.Log2((uint)neighbours.Count + 1) + 5, 10, 28);
        _neighbourShift = 64 - bits;
        _neighbours = new ulong[(1 << bits) / 64];
        foreach (var (left, right) in neighbours)
        {
            var bit = Hash(PairOf(left, right), _neighbourShift);
            _neighbours[bit >> 6] |= 1ul << (bit & 63);
        }

        _symbolIds = new int[vocabulary.Count + characters.Count];
        for (var symbol = 0; symbol < _symbolIds.Length; symbol++)
        {
            var text = symbol < vocabulary.Count ? vocabulary.TextOf(symbol) : char.ConvertFromUtf32(characters[symbol - vocabulary.Count]);
            var isChar = symbol >= vocabulary.Count;
            _symbolIds[symbol] = isChar || vocabulary.IsShadowed(text) ? Math.Max(vocabulary.Find(text), -1) : symbol;
            if (_symbolIds[symbol] < 0)
                _symbolIds[symbol] = vocabulary.UnkId;
        }
    }

    /// <summary>The symbol of one character, or <see cref="Frozen"/> when no piece holds it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int SymbolOf(int character) => _charPages[character >> 8] is { } page ? page[character & 0xFF] - 1 : Frozen;

    /// <summary>The vocabulary id of a symbol.</summary>
    public int IdOf(int symbol) => _symbolIds[symbol];

    /// <summary>The length of a symbol's text in UTF-8.</summary>
    public int BytesOf(int symbol) => symbol < _vocabulary.Count
        ? _vocabulary.BytesOf(symbol).Length
        : new System.Text.Rune(_characters[symbol - _vocabulary.Count]).Utf8SequenceLength;

    /// <summary>
    /// Whether two characters may stand side by side within a merged piece. False is certain, so that a text can be cut there; true may be
    /// mistaken.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool MayJoin(int left, int right)
    {
        var bit = Hash(PairOf(left, right), _neighbourShift);
        return (_neighbours[bit >> 6] >> (bit & 63) & 1) != 0;
    }

    /// <summary>The rank of merging two symbols: 1 is done first, and 0 means that they do not merge.</summary>
    public int RankOf(int left, int right, out int result)
    {
        result = Frozen;
        if ((left | right) < 0)
            return 0;
        var pair = PairOf(left, right);
        var table = _table;
        for (var slot = Hash(pair, _tableShift); ; slot++)
        {
            ref var merge = ref table[slot & (table.Length - 1)];
            if (merge.Rank == 0)
                return 0;
            if (merge.Pair == pair)
            {
                result = merge.Result;
                return merge.Rank;
            }
        }
    }

    private static ulong PairOf(int left, int right) => ((ulong)(uint)left << 32) | (uint)right;

    /// <summary>Fibonacci hashing: the high bits of the product depend on all bits of the pair.</summary>
    private static int Hash(ulong pair, int shift) => (int)((pair ^ (pair >> 29)) * 0x9E3779B97F4A7C15 >> shift);

    private static bool IsText(PieceType type) => type is PieceType.Normal or PieceType.UserDefined or PieceType.Unused;

    /// <summary>Equal scores share a rank: the leftmost of two pairs then goes first.</summary>
    private static int[] RankScores(ReadOnlySpan<float> scores)
    {
        var order = new int[scores.Length];
        var descending = new float[scores.Length];
        for (var i = 0; i < order.Length; i++)
            (order[i], descending[i]) = (i, -scores[i]);
        Array.Sort(descending, order);
        var ranks = new int[scores.Length];
        var rank = 0;
        for (var i = 0; i < order.Length; i++)
        {
            if (i == 0 || descending[i] != descending[i - 1])
                rank++;
            ranks[order[i]] = rank;
        }

        return ranks;
    }

    /// <summary>The text pieces written backwards, to find all pieces that a piece ends with in one walk.</summary>
    private static ByteTrie ReversedTrie(Vocabulary vocabulary)
    {
        var total = 0;
        for (var id = 0; id < vocabulary.Count; id++)
            total += vocabulary.BytesOf(id).Length;
        var blob = new byte[total];
        var keys = new List<ByteTrieKey>(vocabulary.Count);
        var start = 0;
        for (var id = 0; id < vocabulary.Count; id++)
        {
            if (!IsText(vocabulary.TypeOf(id)))
                continue;
            var piece = vocabulary.BytesOf(id);
            piece.CopyTo(blob.AsSpan(start));
            blob.AsSpan(start, piece.Length).Reverse();
            keys.Add(new ByteTrieKey(start, piece.Length, id));
            start += piece.Length;
        }

        return ByteTrie.Build(blob, System.Runtime.InteropServices.CollectionsMarshal.AsSpan(keys));
    }

    /// <summary>Writes at each byte the piece that the rest from there is, or -1.</summary>
    private static void FindSuffixes(ByteTrie reversed, ReadOnlySpan<byte> piece, Span<int> suffixes)
    {
        suffixes[..(piece.Length + 1)].Fill(-1);
        var units = reversed.Units;
        var unit = units[ByteTrie.Root];
        for (var at = piece.Length - 1; at >= 0; at--)
        {
            if (!ByteTrie.TryStep(units, ref unit, piece[at]))
                return;
            suffixes[at] = ByteTrie.ValueOf(unit);
        }
    }

    private static (Merge[] Table, int Shift) BuildTable(List<Merge> merges)
    {
        var bits = Math.Max(4, BitOperations.Log2((uint)merges.Count + 1) + 2);
        var table = new Merge[1 << bits];
        foreach (var merge in merges)
        {
            var slot = Hash(merge.Pair, 64 - bits);
            while (table[slot & (table.Length - 1)].Rank != 0)
                slot++;
            table[slot & (table.Length - 1)] = merge;
        }

        return (table, 64 - bits);
    }

    private int SymbolOrNew(int character, ReadOnlySpan<byte> bytes, List<int> characters)
    {
        var page = _charPages[character >> 8] ??= new int[256];
        ref var symbol = ref page[character & 0xFF];
        if (symbol == 0)
        {
            var piece = _vocabulary.Text.Find(bytes);
            if (piece < 0)
            {
                piece = _vocabulary.Count + characters.Count;
                characters.Add(character);
            }

            symbol = piece + 1;
        }

        return symbol - 1;
    }
}
