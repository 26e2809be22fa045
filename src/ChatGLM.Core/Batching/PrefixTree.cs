using ChatGLM.Tensors;

namespace ChatGLM.Batching;

/// <summary>
/// Pages by the tokens that they hold and all before them (a radix tree, as in Zheng et al. 2023, SGLang, with whole pages as its edges). A page that is not full is a leaf. What no sequence uses goes when
/// room is needed, the least recently used first, leaves before what they stand on.
/// </summary>
internal sealed class PrefixTree(PagePool pool)
{
    private readonly Dictionary<PrefixScope, Node> _roots = [];
    private long _clock;

    /// <summary>The pages in the tree.</summary>
    public int Count { get; private set; }

    /// <summary>The pages in the tree, one by one.</summary>
    public IEnumerable<CachePage> Pages => _roots.Values.SelectMany(root => root.Below()).Select(node => node.Page!);

    /// <summary>The pages that nobody but the tree holds.</summary>
    public int Idle => Pages.Count(page => page.References == 1);

    /// <summary>The pages that hold the beginning of a sequence.</summary>
    /// <param name="scope">The scope.</param>
    /// <param name="entries">The sequence.</param>
    /// <returns>Whole pages, and a page of whose entries the first <c>PartLength</c> are the sequence's next. They are not yet retained.</returns>
    public (List<CachePage> Whole, CachePage? Part, int PartLength) Find(in PrefixScope scope, ReadOnlySpan<int> entries)
    {
        var whole = new List<CachePage>();
        if (!_roots.TryGetValue(scope, out var node))
            return (whole, null, 0);
        _clock++;
        while (true)
        {
            var (best, length) = node.Closest(entries[(whole.Count * KeyValuePageLayout.Positions)..]);
            if (best is null)
                return (whole, null, 0);
            best.LastUsed = _clock;
            if (length < KeyValuePageLayout.Positions)
                return (whole, best.Page, length);
            whole.Add(best.Page!);
            node = best;
        }
    }

    /// <summary>Keeps the pages of a sequence; those that are there already stay as they are.</summary>
    /// <param name="scope">The scope.</param>
    /// <param name="entries">The entries that the pages hold; the last page may have room left.</param>
    /// <param name="pages">The pages.</param>
    public void Add(in PrefixScope scope, ReadOnlySpan<int> entries, IReadOnlyList<CachePage> pages)
    {
        if (entries.IsEmpty)
            return;
        if (!_roots.TryGetValue(scope, out var node))
            _roots.Add(scope, node = new Node(null, [], null));
        _clock++;
        for (var page = 0; page * KeyValuePageLayout.Positions < entries.Length; page++)
        {
            var rest = entries[(page * KeyValuePageLayout.Positions)..];
            var own = rest[..Math.Min(KeyValuePageLayout.Positions, rest.Length)];
            var (best, length) = node.Closest(own);
            if (length < own.Length)
            {
                var added = new Node(node, own.ToArray(), PagePool.Retain(pages[page]));
                node.Children.Add(added);
                Count++;
                // A leaf that holds less of the same is of no more use.
                if (best is not null && length == best.Entries.Length)
                    Remove(best);
                best = added;
            }

            best!.LastUsed = _clock;
            node = best;
        }
    }

    /// <summary>Gives the page up that was used least recently, of those that nobody else holds.</summary>
    /// <returns>Whether there was one.</returns>
    public bool TryEvict()
    {
        Node? oldest = null;
        foreach (var root in _roots.Values)
        {
            foreach (var node in root.Below())
            {
                if (node.Children.Count == 0 && node.Page!.References == 1 && (oldest is null || node.LastUsed < oldest.LastUsed))
                    oldest = node;
            }
        }

        if (oldest is null)
            return false;
        Remove(oldest);
        return true;
    }

    /// <summary>Forgets everything.</summary>
    public void Clear()
    {
        foreach (var root in _roots.Values)
        {
            foreach (var node in root.Below())
                pool.Release(node.Page!);
        }

        _roots.Clear();
        Count = 0;
    }

    private void Remove(Node leaf)
    {
        leaf.Parent!.Children.Remove(leaf);
        pool.Release(leaf.Page!);
        Count--;
        if (leaf.Parent is not { Parent: null, Children.Count: 0 } root)
            return;
        foreach (var (scope, node) in _roots)
        {
            if (ReferenceEquals(node, root))
            {
                _roots.Remove(scope);
                return;
            }
        }
    }

    private sealed class Node(Node? parent, int[] entries, CachePage? page)
    {
        public Node? Parent => parent;

        /// <summary>The entries of the page, from its first on.</summary>
        public int[] Entries => entries;

        public CachePage? Page => page;

        public List<Node> Children { get; } = [];

        public long LastUsed { get; set; }

        /// <summary>The child that shares the most entries with a sequence, and how many.</summary>
        public (Node? Child, int Length) Closest(ReadOnlySpan<int> sequence)
        {
            var (best, most) = ((Node?)null, 0);
            foreach (var child in Children)
            {
                var length = sequence.CommonPrefixLength(child.Entries);
                if (length > most)
                    (best, most) = (child, length);
            }

            return (best, most);
        }

        /// <summary>All nodes below this one.</summary>
        public IEnumerable<Node> Below()
        {
            var open = new Stack<Node>(Children);
            while (open.TryPop(out var node))
            {
                yield return node;
                foreach (var child in node.Children)
                    open.Push(child);
            }
        }
    }
}
