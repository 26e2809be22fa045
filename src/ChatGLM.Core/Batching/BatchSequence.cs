using ChatGLM.Generation;
using ChatGLM.Models;
using ChatGLM.Tensors;

namespace ChatGLM.Batching;

/// <summary>
/// One request on its way. Its entries are what stands before the first token, the prompt, and what has been generated; the first <see cref="Cached"/> of them have keys and values in its pages. An answer
/// that had to give its pages back keeps its entries, and gets the same keys and values again later.
/// </summary>
internal sealed class BatchSequence(long order, BatchRequest request, SequenceSearch search, SequencePositions positions, BatchedGeneration answer)
{
    private readonly List<CachePage> _pages = [];
    private readonly List<KeyValuePage> _views = [];

    /// <summary>The order of arrival.</summary>
    public long Order => order;

    public BatchRequest Request => request;

    public SequenceSearch Search => search;

    public SequencePositions Positions => positions;

    public BatchedGeneration Answer => answer;

    /// <summary>What stands before the first token; known from the first admission on.</summary>
    public StandingPrompt Prompt { get; set; }

    /// <summary>Whether it has been admitted before.</summary>
    public bool WasAdmitted { get; set; }

    /// <summary>Whether it is being answered, with pages of its own.</summary>
    public bool IsRunning { get; set; }

    /// <summary>Entries with keys and values.</summary>
    public int Cached { get; set; }

    /// <summary>Tokens of the prompt that were not read, because an earlier prompt began with them.</summary>
    public int ReusedTokens { get; set; }

    public IReadOnlyList<CachePage> Pages => _pages;

    public IReadOnlyList<KeyValuePage> PageViews => _views;

    /// <summary>All entries.</summary>
    public int Entries => Prompt.Length + search.Ids.Length;

    /// <summary>Those before the first generated token.</summary>
    public int PromptEntries => Prompt.Length + search.PromptLength;

    /// <summary>The entries that attend to each other in both directions.</summary>
    public int ContextEntries => positions.IsBidirectional ? Prompt.Length + positions.Context : 0;

    /// <summary>The entries as a tree of prefixes knows them.</summary>
    public int[] ToEntries(int count)
    {
        var entries = new int[count];
        var lead = Math.Min(count, Prompt.Length);
        entries.AsSpan(0, lead).Fill(-1);
        search.Ids[..(count - lead)].CopyTo(entries.AsSpan(lead));
        return entries;
    }

    public void Add(CachePage page)
    {
        _pages.Add(page);
        _views.Add(page.Page);
    }

    public void ReleasePages(PagePool pool)
    {
        foreach (var page in _pages)
            pool.Release(page);
        _pages.Clear();
        _views.Clear();
        Cached = 0;
    }
}
