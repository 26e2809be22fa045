using ChatGLM.Tensors;

namespace ChatGLM.Models;

/// <summary>What all layers of one forward pass share: positions, mask, and the keys and values before these tokens.</summary>
internal sealed class LayerContext
{
    public required RotaryTable Rotary { get; init; }

    /// <summary>int64 [batch, seq], or [batch, 2, seq].</summary>
    public required Tensor Positions { get; init; }

    /// <summary>bool [batch, seq, keys], true where a key is hidden; null where nothing but causality hides.</summary>
    public Tensor? Hidden { get; init; }

    /// <summary>Hides every key after the query.</summary>
    public bool Causal { get; init; }

    /// <summary>Where keys and values are kept; null when nobody needs them again.</summary>
    public KeyValueCache? Cache { get; init; }

    /// <summary>Where the rows of a batch keep keys and values, in place of <see cref="Cache"/>; null for other passes.</summary>
    public PagedBatch? Pages { get; init; }

    /// <summary>The P-Tuning keys and values of each layer, [batch, keyValueHeads, length, headDim]; null when there are none or the cache already has them.</summary>
    public (Tensor Key, Tensor Value)[]? Prefix { get; init; }

    /// <summary>The same context with other prefix tensors for one layer.</summary>
    public LayerContext WithPrefix(int layer, Tensor key, Tensor value)
    {
        var prefix = ((Tensor Key, Tensor Value)[])Prefix!.Clone();
        prefix[layer] = (key, value);
        return new LayerContext { Rotary = Rotary, Positions = Positions, Hidden = Hidden, Causal = Causal, Cache = Cache, Prefix = prefix };
    }

    /// <summary>Attention where keys and values lie in pages: of a batch of requests, or of a cache in a smaller format.</summary>
    /// <returns>[batch, seq, heads * headDim]; null where they do not.</returns>
    public Tensor? AttendPages(int layer, Tensor query, Tensor key, Tensor value, float scale) =>
        Pages is not null ? Functional.PagedAttention(query, key, value, Pages, layer, scale) : Cache?.Pages?.Attend(layer, query, key, value, scale, this);

    /// <summary>Puts what came before in front of a layer's new keys and values.</summary>
    /// <returns>Key and value, of which the first <c>Length</c> tokens count.</returns>
    public (Tensor Key, Tensor Value, int Length) Extend(int layer, Tensor key, Tensor value)
    {
        if (Prefix is { } prefix)
        {
            key = Functional.Concat([prefix[layer].Key, key], 2);
            value = Functional.Concat([prefix[layer].Value, value], 2);
        }

        if (Cache is not { } cache)
            return (key, value, key.Shape[2]);
        var past = cache.Length;
        var (allKeys, allValues) = cache.Append(layer, key, value);
        if (!key.RequiresGrad && !value.RequiresGrad)
            return (allKeys, allValues, past + key.Shape[2]);
        if (past == 0)
            return (key, value, key.Shape[2]);
        // A tape keeps what it needs: the cache goes on changing. What it held before these tokens is constant here.
        var (pastKeys, pastValues) = cache.Slice(layer);
        return (Functional.Concat([pastKeys, key], 2), Functional.Concat([pastValues, value], 2), past + key.Shape[2]);
    }
}
