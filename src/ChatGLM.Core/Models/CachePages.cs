using ChatGLM.Batching;
using ChatGLM.Tensors;

namespace ChatGLM.Models;

/// <summary>What a <see cref="KeyValueCache"/> holds in a smaller format: pages of each sequence, which beams share until one of them writes.</summary>
internal sealed class CachePages(KeyValueCache cache, Backend backend) : IDisposable
{
    private List<CachePage>[] _rows = [];
    private KeyValuePageLayout _layout;
    private (LayerContext Context, PagedBatch Batch, PagedBatch? Prefix)? _pass;

    public int Batch => _rows.Length;

    /// <summary>The tokens of a sequence there is room for.</summary>
    public int Capacity => _rows.Length == 0 ? 0 : _rows.Min(row => row.Count) * KeyValuePageLayout.Positions;

    public long ByteLength => _rows.SelectMany(row => row).Distinct().Count() * _layout.ByteLength;

    /// <summary>Writes a layer's new keys and values after the others, and attends.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="query">[batch, heads, seq, headDim].</param>
    /// <param name="key">[batch, keyValueHeads, seq, headDim].</param>
    /// <param name="value">Of key's shape.</param>
    /// <param name="scale">The factor of the scores.</param>
    /// <param name="context">The pass.</param>
    /// <returns>[batch, seq, heads * headDim].</returns>
    /// <exception cref="ModelInputException">The mask is none that pages can have, or a gradient would be needed.</exception>
    public Tensor Attend(int layer, Tensor query, Tensor key, Tensor value, float scale, LayerContext context)
    {
        if (query.RequiresGrad || key.RequiresGrad || value.RequiresGrad || (context.Prefix is { } trained && (trained[layer].Key.RequiresGrad || trained[layer].Value.RequiresGrad)))
            throw new ModelInputException(nameof(ModelInputs.PastKeyValues), $"a cache of the format {cache.Format} holds rounded numbers, through which no gradient goes. Run under GradMode.NoGrad, or use {KeyValueFormat.Float32}.");
        if (_pass is not { } pass || !ReferenceEquals(pass.Context, context))
            _pass = pass = Begin(context, key.Shape);
        if (pass.Prefix is { } rows)
        {
            var (prefixKey, prefixValue) = context.Prefix![layer];
            backend.WritePages(Rows(prefixKey), Rows(prefixValue), rows, layer);
        }

        var attended = Functional.PagedAttention(Rows(query), Rows(key), Rows(value), pass.Batch, layer, scale);
        return attended.Reshape(query.Shape[0], query.Shape[2], query.Shape[1] * query.Shape[3]);
    }

    /// <summary>Sequence i becomes the old sequence <c>rows[i]</c>.</summary>
    public void SelectRows(ReadOnlySpan<int> rows)
    {
        var selected = new List<CachePage>[rows.Length];
        for (var i = 0; i < rows.Length; i++)
            selected[i] = [.. _rows[rows[i]].Select(PagePool.Retain)];
        Release();
        _rows = selected;
    }

    /// <summary>A copy of a layer, [seq, batch, keyValueHeads, headDim] each.</summary>
    public (Tensor Key, Tensor Value) Export(int layer)
    {
        if (_rows.Length == 0)
            throw new InvalidOperationException("Nothing has been appended to the cache yet.");
        var width = _layout.KeyValueHeads * _layout.HeadDim;
        var (keys, values) = (new float[(long)cache.Length * Batch * width], new float[(long)cache.Length * Batch * width]);
        for (var row = 0; row < Batch; row++)
        {
            for (var page = 0; page < KeyValuePageLayout.PagesOf(cache.Length); page++)
            {
                var (pageKeys, pageValues) = _rows[row][page].Page.Read(layer);
                var first = page * KeyValuePageLayout.Positions;
                for (var slot = 0; slot < Math.Min(KeyValuePageLayout.Positions, cache.Length - first); slot++)
                {
                    var at = (((first + slot) * Batch) + row) * width;
                    pageKeys.AsSpan(slot * width, width).CopyTo(keys.AsSpan(at));
                    pageValues.AsSpan(slot * width, width).CopyTo(values.AsSpan(at));
                }
            }
        }

        Shape shape = [cache.Length, Batch, _layout.KeyValueHeads, _layout.HeadDim];
        return (Tensor.From(keys, shape, backend), Tensor.From(values, shape, backend));
    }

    public void Dispose()
    {
        Release();
        _rows = [];
        _pass = null;
    }

    private void Release()
    {
        foreach (var page in _rows.SelectMany(row => row))
            Release(page);
    }

    private static void Release(CachePage page)
    {
        if (--page.References == 0)
            page.Page.Dispose();
    }

    /// <summary>Makes room for a pass, and says what its rows see.</summary>
    private (LayerContext Context, PagedBatch Batch, PagedBatch? Prefix) Begin(LayerContext context, in Shape appended)
    {
        var (batch, seq) = (appended[0], appended[2]);
        _layout = new KeyValuePageLayout(cache.Layers, appended[1], appended[3], cache.Format);
        if (_rows.Length == 0)
            _rows = [.. Enumerable.Range(0, batch).Select(_ => new List<CachePage>())];
        if (_rows.Length != batch)
            throw new ModelInputException(nameof(ModelInputs.PastKeyValues), $"the cache holds {_rows.Length} sequences, the inputs {batch}.");
        var prefixLength = context.Prefix?[0].Key.Shape[2] ?? 0;
        var start = cache.Length + prefixLength;
        foreach (var row in _rows)
            Reserve(row, start + seq);
        var views = Array.ConvertAll(_rows, row => row.ConvertAll(page => page.Page));
        var sight = context.Hidden is { } hidden
            ? Sight(hidden.ToArray<bool>(), batch, hidden.Shape[1], seq, start)
            : [.. Enumerable.Repeat((First: 0, Context: context.Causal ? 0 : start + seq), batch)];
        var sequences = new PagedSequence[batch];
        for (var row = 0; row < batch; row++)
            sequences[row] = new PagedSequence(row * seq, seq, start, sight[row].Context, views[row], sight[row].First);
        var prefix = prefixLength == 0 ? null : new PagedBatch(
            batch * prefixLength, _layout, [.. views.Select((pages, row) => new PagedSequence(row * prefixLength, prefixLength, cache.Length, 0, pages))]);
        return (context, new PagedBatch(batch * seq, _layout, sequences), prefix);
    }

    /// <summary>Gives a sequence pages for so many tokens, of which those that are about to be written are its own.</summary>
    private void Reserve(List<CachePage> row, int tokens)
    {
        for (var page = cache.Length / KeyValuePageLayout.Positions; page < KeyValuePageLayout.PagesOf(tokens); page++)
        {
            if (page < row.Count && row[page].References == 1)
                continue;
            var own = new CachePage(new KeyValuePage(_layout, backend));
            if (page == row.Count)
            {
                row.Add(own);
                continue;
            }

            own.Page.CopyFrom(row[page].Page);
            Release(row[page]);
            row[page] = own;
        }
    }

    /// <summary>What a mask [batch, seq or 1, keys] lets each row see, as the first key and the length of a context.</summary>
    private (int First, int Context)[] Sight(bool[] hidden, int batch, int maskRows, int seq, int start)
    {
        var keys = start + seq;
        var sight = new (int First, int Context)[batch];
        for (var row = 0; row < batch; row++)
        {
            ReadOnlySpan<bool> Of(int query) => hidden.AsSpan(((row * maskRows) + Math.Min(query, maskRows - 1)) * keys, keys);
            var last = Of(seq - 1);
            var first = Math.Max(0, last.IndexOf(false));
            var context = 0;
            for (var query = 0; query < seq; query++)
            {
                // What padding sees is nobody's concern.
                if (last[start + query])
                    continue;
                var seen = Of(query);
                var end = seen.LastIndexOf(false) + 1;
                if (end > start + query + 1)
                    context = Math.Max(context, end);
                if (end != Math.Max(context, start + query + 1) || seen[..Math.Min(first, end)].Contains(false) || seen[first..end].Contains(true))
                {
                    throw new ModelInputException(nameof(ModelInputs.AttentionMask), $"a cache of the format {cache.Format} takes masks that hide padding on the left and what follows a token, "
                        + $"not what the mask says of row {row}, token {query}. Use {KeyValueFormat.Float32}.");
                }
            }

            sight[row] = (first, context);
        }

        return sight;
    }

    /// <summary>[batch, heads, seq, headDim] as rows of one token each, [batch * seq, heads, 1, headDim].</summary>
    private Tensor Rows(Tensor x) => (x.Shape[2] == 1 ? x : backend.Permute(x, [0, 2, 1, 3])).Reshape(x.Shape[0] * x.Shape[2], x.Shape[1], 1, x.Shape[3]);
}
