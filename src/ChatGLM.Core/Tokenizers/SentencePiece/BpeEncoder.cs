namespace ChatGLM.Tokenizers.SentencePiece;

/// <summary>
/// Merges neighbouring symbols, the best-scored pair of the text first and the leftmost among equals, until no two neighbours merge. The
/// text is first cut where no merge can ever reach across, which is nearly everywhere between words: the result is the same and each part is
/// small.
/// </summary>
internal sealed class BpeEncoder(Vocabulary vocabulary) : IPieceEncoder
{
    /// <summary>Up to here, looking at all pairs for each merge is faster than keeping a queue.</summary>
    private const int SmallSegment = 48;

    private readonly BpeMerges _merges = new(vocabulary);

    public void Encode(ReadOnlySpan<byte> text, ref PooledList<Piece> output)
    {
        var segment = new PooledList<Symbol>(256);
        try
        {
            // How an unused piece is taken apart again depends on the merges of the whole text: then the text is one segment.
            var log = vocabulary.HasUnused ? new Dictionary<int, (int Left, int Right)>() : null;
            var previous = BpeMerges.Frozen;
            for (var at = 0; at < text.Length;)
            {
                var symbol = NextSymbol(text, at, out var length, out var frozen);
                if (frozen is null && segment.Count > 0 && log is null
                    && (symbol < 0 || previous < 0 || !_merges.MayJoin(previous, symbol)))
                {
                    Merge(ref segment, log, ref output);
                }

                if (frozen is { } id)
                {
                    if (log is null)
                    {
                        Merge(ref segment, null, ref output);
                        output.Add(new Piece(id, at, length));
                    }
                    else
                    {
                        segment.Add(new Symbol(BpeMerges.Frozen, at, length) { FrozenId = id });
                    }
                }
                else
                {
                    segment.Add(new Symbol(symbol, at, length) { FrozenId = vocabulary.UnkId });
                }

                previous = frozen is null ? symbol : BpeMerges.Frozen;
                at += length;
            }

            Merge(ref segment, log, ref output);
        }
        finally
        {
            segment.Dispose();
        }
    }

    /// <summary>Reads a character or a user-defined piece; the latter, and characters that are control pieces, come with their id.</summary>
    private int NextSymbol(ReadOnlySpan<byte> text, int at, out int length, out int? frozen)
    {
        frozen = null;
        if (vocabulary.UserDefined is { } userDefined && userDefined.LongestPrefix(text[at..]) is var piece and > 0)
        {
            length = piece;
            frozen = vocabulary.Text.Find(text.Slice(at, piece));
            return BpeMerges.Frozen;
        }

        int character;
        if (text[at] < 0x80)
        {
            (character, length) = (text[at], 1);
        }
        else
        {
            character = Utf8.Decode(text[at..], out length);
            if (character < 0)
                return BpeMerges.Frozen;
        }

        return _merges.SymbolOf(character);
    }

    private void Merge(ref PooledList<Symbol> segment, Dictionary<int, (int Left, int Right)>? log, ref PooledList<Piece> output)
    {
        var symbols = segment.Span;
        if (symbols.Length > 1)
            symbols = symbols.Length <= SmallSegment && log is null ? MergeSmall(symbols) : MergeLarge(symbols, log);
        foreach (ref readonly var symbol in symbols)
        {
            if (symbol.Length == 0)
                continue;
            if (log is not null && symbol.Id >= 0)
                Resegment(symbol.Id, symbol.Start, log, ref output);
            else
                output.Add(new Piece(symbol.Id < 0 ? symbol.FrozenId : _merges.IdOf(symbol.Id), symbol.Start, symbol.Length));
        }

        segment.Truncate(0);
    }

    private Span<Symbol> MergeSmall(Span<Symbol> symbols)
    {
        Span<int> ranks = stackalloc int[SmallSegment];
        Span<int> results = stackalloc int[SmallSegment];
        var count = symbols.Length;
        for (var i = 0; i + 1 < count; i++)
            ranks[i] = _merges.RankOf(symbols[i].Id, symbols[i + 1].Id, out results[i]);
        while (true)
        {
            var best = -1;
            var bestRank = int.MaxValue;
            for (var i = 0; i + 1 < count; i++)
            {
                // 0 (no merge) wraps round to the largest value.
                if ((uint)(ranks[i] - 1) < (uint)bestRank)
                    (best, bestRank) = (i, ranks[i] - 1);
            }

            if (best < 0)
                return symbols[..count];
            symbols[best] = new Symbol(results[best], symbols[best].Start, symbols[best].Length + symbols[best + 1].Length);
            symbols[(best + 2)..count].CopyTo(symbols[(best + 1)..]);
            ranks[(best + 2)..count].CopyTo(ranks[(best + 1)..]);
            results[(best + 2)..count].CopyTo(results[(best + 1)..]);
            count--;
            if (best > 0)
                ranks[best - 1] = _merges.RankOf(symbols[best - 1].Id, symbols[best].Id, out results[best - 1]);
            if (best + 1 < count)
                ranks[best] = _merges.RankOf(symbols[best].Id, symbols[best + 1].Id, out results[best]);
        }
    }

    private Span<Symbol> MergeLarge(Span<Symbol> symbols, Dictionary<int, (int Left, int Right)>? log)
    {
        using var queue = new MergeQueue(symbols.Length);
        for (var i = 0; i < symbols.Length; i++)
            (symbols[i].Previous, symbols[i].Next) = (i - 1, i + 1 < symbols.Length ? i + 1 : -1);
        for (var i = 0; i + 1 < symbols.Length; i++)
            Offer(symbols, i, i + 1, queue, log);
        while (queue.TryTake(out var candidate))
        {
            ref var left = ref symbols[candidate.Left];
            ref var right = ref symbols[candidate.Right];

            // Either side has merged elsewhere since this pair was offered.
            if (left.Length == 0 || right.Length == 0 || left.Length + right.Length != candidate.Length)
                continue;
            left.Id = candidate.Result;
            left.Length += right.Length;
            left.Next = right.Next;
            if (right.Next >= 0)
                symbols[right.Next].Previous = candidate.Left;
            right.Length = 0;
            Offer(symbols, left.Previous, candidate.Left, queue, log);
            Offer(symbols, candidate.Left, left.Next, queue, log);
        }

        return symbols;
    }

    private void Offer(Span<Symbol> symbols, int left, int right, MergeQueue queue, Dictionary<int, (int Left, int Right)>? log)
    {
        if (left < 0 || right < 0)
            return;
        var rank = _merges.RankOf(symbols[left].Id, symbols[right].Id, out var result);
        if (rank == 0)
            return;
        queue.Add(new MergeCandidate(rank, left, right, symbols[left].Length + symbols[right].Length, result));
        if (log is not null && vocabulary.TypeOf(result) == PieceType.Unused)
            log[result] = (symbols[left].Id, symbols[right].Id);
    }

    /// <summary>Takes an unused piece apart into the two symbols it was last made of. Each is shorter than the whole, so this ends.</summary>
    private void Resegment(int symbol, int start, Dictionary<int, (int Left, int Right)> log, ref PooledList<Piece> output)
    {
        var parts = new Stack<int>([symbol]);
        while (parts.TryPop(out var part))
        {
            var id = _merges.IdOf(part);
            if (vocabulary.TypeOf(id) == PieceType.Unused && log.TryGetValue(part, out var halves))
            {
                parts.Push(halves.Right);
                parts.Push(halves.Left);
                continue;
            }

            var length = _merges.BytesOf(part);
            output.Add(new Piece(id, start, length));
            start += length;
        }
    }

    /// <summary>A character or merged piece of the text; Length 0 when it has become part of the symbol to its left.</summary>
    private struct Symbol(int id, int start, int length)
    {
        public int Id = id;
        public int Start = start;
        public int Length = length;
        public int FrozenId;
        public int Previous;
        public int Next;
    }
}
