using ChatGLM.Tensors;

namespace ChatGLM.Batching;

/// <summary>The room for keys and values: pages, up to a number, counted by who holds them.</summary>
internal sealed class PagePool(KeyValuePageLayout layout, int capacity, Backend backend)
{
    public KeyValuePageLayout Layout => layout;

    /// <summary>The most pages.</summary>
    public int Capacity => capacity;

    /// <summary>The pages that somebody holds.</summary>
    public int Used { get; private set; }

    /// <summary>The tokens that there is room for.</summary>
    public int Tokens => capacity * KeyValuePageLayout.Positions;

    /// <summary>A page with undefined content and one holder; null when all are used.</summary>
    public CachePage? TryRent()
    {
        if (Used == capacity)
            return null;
        var page = new CachePage(new KeyValuePage(layout, backend));
        Used++;
        return page;
    }

    public static CachePage Retain(CachePage page)
    {
        page.References++;
        return page;
    }

    public void Release(CachePage page)
    {
        if (--page.References > 0)
            return;
        page.Page.Dispose();
        Used--;
    }
}
