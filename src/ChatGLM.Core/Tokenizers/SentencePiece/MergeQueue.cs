namespace ChatGLM.Tokenizers.SentencePiece;

/// <summary>A pair of neighbours that could merge.</summary>
internal readonly record struct MergeCandidate(int Rank, int Left, int Right, int Length, int Result)
{
    public bool Before(in MergeCandidate other) => Rank < other.Rank || (Rank == other.Rank && Left < other.Left);
}

/// <summary>The pairs that could merge, the next one first: a binary heap in borrowed memory.</summary>
internal sealed class MergeQueue(int capacity) : IDisposable
{
    private PooledList<MergeCandidate> _heap = new(capacity);

    public void Add(in MergeCandidate candidate)
    {
        _heap.Add(candidate);
        var heap = _heap.Span;
        var at = heap.Length - 1;
        while (at > 0)
        {
            var parent = (at - 1) / 2;
            if (!candidate.Before(heap[parent]))
                break;
            heap[at] = heap[parent];
            at = parent;
        }

        heap[at] = candidate;
    }

    public bool TryTake(out MergeCandidate first)
    {
        var heap = _heap.Span;
        if (heap.IsEmpty)
        {
            first = default;
            return false;
        }

        first = heap[0];
        var last = heap[^1];
        _heap.Truncate(heap.Length - 1);
        heap = heap[..^1];
        var at = 0;
        while ((2 * at) + 1 < heap.Length)
        {
            var child = (2 * at) + 1;
            if (child + 1 < heap.Length && heap[child + 1].Before(heap[child]))
                child++;
            if (!heap[child].Before(last))
                break;
            heap[at] = heap[child];
            at = child;
        }

        if (!heap.IsEmpty)
            heap[at] = last;
        return true;
    }

    public void Dispose() => _heap.Dispose();
}
