namespace ChatGLM.TorchSharp;

/// <content>Heads, rotary positions and attention.</content>
public sealed partial class TorchBackend
{
    /// <inheritdoc/>
    public override (Tensor Query, Tensor Key, Tensor Value) SplitHeads(Tensor qkv, Tensor? positions, in HeadLayout layout, RotaryTable? rotary)
    {
        using var scope = Torch.NewDisposeScope();
        var (batch, seq, dim) = (qkv.Shape[0], qkv.Shape[1], layout.HeadDim);
        var fused = View(qkv);
        Torch.Tensor query, key, value;
        if (layout.InterleavedPerHead)
        {
            var perHead = fused.view(batch, seq, layout.Heads, 3 * dim).transpose(1, 2);
            (query, key, value) = (perHead.narrow(3, 0, dim), perHead.narrow(3, dim, dim), perHead.narrow(3, 2 * dim, dim));
        }
        else
        {
            var (queries, keys) = ((long)layout.Heads * dim, (long)layout.KeyValueHeads * dim);
            query = fused.narrow(2, 0, queries).view(batch, seq, layout.Heads, dim).transpose(1, 2);
            key = fused.narrow(2, queries, keys).view(batch, seq, layout.KeyValueHeads, dim).transpose(1, 2);
            value = fused.narrow(2, queries + keys, keys).view(batch, seq, layout.KeyValueHeads, dim).transpose(1, 2);
        }

        if (rotary is not null)
        {
            var tables = Tables(positions!, rotary);
            (query, key) = (Rotate(query, tables, rotary, 1), Rotate(key, tables, rotary, 1));
        }

        return (Wrap(Fresh(query)), Wrap(Fresh(key)), Wrap(Fresh(value)));
    }

    /// <inheritdoc/>
    public override Tensor SplitHeadsBackward(Tensor dQuery, Tensor dKey, Tensor dValue, Tensor? positions, in HeadLayout layout, RotaryTable? rotary)
    {
        using var scope = Torch.NewDisposeScope();
        var (query, key, value) = (View(dQuery), View(dKey), View(dValue));
        if (rotary is not null)
        {
            var tables = Tables(positions!, rotary);
            (query, key) = (Rotate(query, tables, rotary, -1), Rotate(key, tables, rotary, -1));
        }

        var (batch, seq) = (dQuery.Shape[0], dQuery.Shape[2]);
        var joined = layout.InterleavedPerHead
            ? Torch.cat(new[] { query, key, value }, 3).transpose(1, 2)
            : Torch.cat(new[] { query, key, value }, 1).transpose(1, 2);
        return Wrap(joined.contiguous().view(batch, seq, layout.Width));
    }

    /// <inheritdoc/>
    public override Tensor Attention(Tensor query, Tensor key, Tensor value, in AttentionOptions options, Tensor? logSumExp)
    {
        using var scope = Torch.NewDisposeScope();
        var (batch, heads, seq, dim) = (query.Shape[0], query.Shape[1], query.Shape[2], query.Shape[3]);
        var sizes = new Sizes(query, key, options);
        var hidden = Hidden(sizes, options);
        var values = Grouped(value, options.KeyLength);
        var fused = logSumExp is null ? Fused(query, key, values, sizes, options, hidden) : null;
        if (fused is null)
        {
            var scores = Scores(query, key, sizes, options, hidden);
            if (logSumExp is not null)
                View(logSumExp).copy_(scores.logsumexp(-1));
            fused = sizes.Product(Dropped(Probabilities(scores, hidden, options), options), values);
        }

        return Wrap(fused.transpose(1, 2).reshape(batch, seq, heads * dim));
    }

    /// <inheritdoc/>
    public override (Tensor Query, Tensor Key, Tensor Value) AttentionBackward(Tensor dy, Tensor query, Tensor key, Tensor value, Tensor y, Tensor logSumExp, in AttentionOptions options)
    {
        using var scope = Torch.NewDisposeScope();
        var sizes = new Sizes(query, key, options);
        var hidden = Hidden(sizes, options);
        var (keys, values) = (Grouped(key, options.KeyLength), Grouped(value, options.KeyLength));
        var probabilities = Probabilities(Scores(query, key, sizes, options, hidden), hidden, options);
        var gradient = View(dy).view(sizes.Batch, sizes.Seq, sizes.Heads, sizes.HeadDim).transpose(1, 2).contiguous();
        var dProbabilities = Dropped(sizes.Product(gradient, values.transpose(-1, -2)), options);
        var dValue = sizes.TransposedProduct(Dropped(probabilities, options), gradient);
        var dScores = dProbabilities.sub(dProbabilities.mul(probabilities).sum(dim: [-1], keepdim: true)).mul_(probabilities).mul_(S(options.Scale));
        if (hidden is not null)
            dScores.masked_fill_(hidden, S(0));
        return (Wrap(sizes.Product(dScores, keys)), Wrap(sizes.TransposedProduct(dScores, View(query))), Wrap(dValue));
    }

    /// <summary>softmax(scale q k^T) v by libtorch's own fused kernel, which never holds the scores, where it exists and can say what is asked; else null.</summary>
    private Torch.Tensor? Fused(Tensor query, Tensor key, Torch.Tensor values, Sizes sizes, in AttentionOptions options, Torch.Tensor? hidden)
    {
#if FUSED_ATTENTION
        // One query reads keys and values once in the plain form too, and there without repeating those that groups of heads share.
        if (sizes.Seq == 1 || options.DropoutMask is not null || (options.Hidden is not null && !float.IsNegativeInfinity(options.HiddenScore)))
            return null;
        var type = Options.ComputeType?.ToTorch() ?? Torch.ScalarType.Float32;
        var repeated = (long)sizes.Heads / sizes.KeyHeads;
        // The kernel divides by the root of the head's width itself.
        var scaled = View(query).mul(options.Scale * Math.Sqrt(sizes.HeadDim)).to_type(type);
        var keys = Grouped(key, options.KeyLength).to_type(type);
        values = values.to_type(type);
        if (repeated > 1)
            (keys, values) = (keys.repeat_interleave(repeated, 1), values.repeat_interleave(repeated, 1));
        var result = Float(Torch.nn.functional.scaled_dot_product_attention(scaled, keys, values, hidden?.logical_not()));
        return hidden is null ? result : result.masked_fill_(hidden.all(-1, keepdim: true), S(0));
#else
        return null;
#endif
    }

    /// <summary>The scores [batch, heads, seq, keys] with hidden ones replaced.</summary>
    private Torch.Tensor Scores(Tensor query, Tensor key, Sizes sizes, in AttentionOptions options, Torch.Tensor? hidden)
    {
        var scores = sizes.Product(View(query), Grouped(key, options.KeyLength).transpose(-1, -2)).mul_(S(options.Scale));
        return hidden is null ? scores : scores.masked_fill_(hidden, S(options.HiddenScore));
    }

    private Torch.Tensor Probabilities(Torch.Tensor scores, Torch.Tensor? hidden, in AttentionOptions options)
    {
        if (scores.shape[^1] == 0)
            return scores;
        var probabilities = scores.softmax(-1);
        // A row whose every key is hidden by minus infinity gives zeros.
        return hidden is null || !float.IsNegativeInfinity(options.HiddenScore) ? probabilities : probabilities.masked_fill_(hidden.all(-1, keepdim: true), S(0));
    }

    private Torch.Tensor Dropped(Torch.Tensor probabilities, in AttentionOptions options) =>
        options.DropoutMask is { } mask ? probabilities.mul(View(mask)) : probabilities;

    /// <summary>The first keys or values of a cache, [batch, keyValueHeads, keyLength, headDim].</summary>
    private Torch.Tensor Grouped(Tensor cache, int keyLength) => View(cache).narrow(2, 0, keyLength);

    /// <summary>True where a key is hidden, broadcast over [batch, heads, seq, keys]; null where none is.</summary>
    private Torch.Tensor? Hidden(Sizes sizes, in AttentionOptions options)
    {
        Torch.Tensor? hidden = null;
        if (options.Hidden is { } mask)
        {
            hidden = View(mask).unsqueeze(1);
            if (hidden.dtype != Torch.ScalarType.Bool)
                hidden = hidden.ne(I(0));
        }

        // A single query stands at the end and sees everything.
        if (!options.Causal || sizes.Seq <= 1)
            return hidden;
        var later = Torch.ones([sizes.Seq, sizes.Keys], Torch.ScalarType.Bool, _device).triu(sizes.Keys - sizes.Seq + 1).view(1, 1, sizes.Seq, sizes.Keys);
        return hidden is null ? later : hidden.logical_or(later);
    }

    /// <summary>Cosines and sines of each position, one pair [batch, 1, seq, rotaryDim / 2] for each section of a head.</summary>
    private (Torch.Tensor Cos, Torch.Tensor Sin)[] Tables(Tensor positions, RotaryTable table)
    {
        var (batch, seq) = (positions.Shape[0], positions.Shape[^1]);
        var all = View(positions).view(batch, table.Sections, seq);
        RequirePositions(positions, table.Positions);
        var (cos, sin) = (View(table.Cos), View(table.Sin));
        var tables = new (Torch.Tensor, Torch.Tensor)[table.Sections];
        for (var section = 0; section < tables.Length; section++)
        {
            var indices = all.select(1, section).reshape(-1);
            tables[section] = (cos.index_select(0, indices).view(batch, 1, seq, table.RotaryDim / 2), sin.index_select(0, indices).view(batch, 1, seq, table.RotaryDim / 2));
        }

        return tables;
    }

    /// <summary>Looks at positions once, not in each layer: a look waits for the GPU.</summary>
    private void RequirePositions(Tensor positions, int limit)
    {
        if (_checkedPositions?.TryGetTarget(out var seen) == true && ReferenceEquals(seen, positions))
            return;
        RequireBelow(nameof(SplitHeads), "position", "position", View(positions), limit);
        _checkedPositions = new WeakReference<Tensor>(positions);
    }

    /// <summary>Rotates the pairs of [batch, heads, seq, headDim] forward (1) or back (-1); what follows the sections passes unchanged.</summary>
    private static Torch.Tensor Rotate(Torch.Tensor x, (Torch.Tensor Cos, Torch.Tensor Sin)[] tables, RotaryTable table, int direction)
    {
        var width = (long)table.RotaryDim;
        var parts = new List<Torch.Tensor>();
        for (var section = 0; section < tables.Length; section++)
        {
            var part = x.narrow(3, section * width, width);
            var (cos, sin) = (tables[section].Cos, direction == 1 ? tables[section].Sin : tables[section].Sin.neg());
            Torch.Tensor first, second;
            if (table.Style == RotaryStyle.HalfSplit)
            {
                (first, second) = (part.narrow(3, 0, width / 2), part.narrow(3, width / 2, width / 2));
            }
            else
            {
                var pairs = part.reshape(x.shape[0], x.shape[1], x.shape[2], width / 2, 2);
                (first, second) = (pairs.select(4, 0), pairs.select(4, 1));
            }

            var (a, b) = (first.mul(cos).sub_(second.mul(sin)), second.mul(cos).add_(first.mul(sin)));
            if (table.Style == RotaryStyle.HalfSplit)
                parts.AddRange([a, b]);
            else
                parts.Add(Torch.stack(new[] { a, b }, 4).view(x.shape[0], x.shape[1], x.shape[2], width));
        }

        var rest = x.shape[3] - (tables.Length * width);
        if (rest > 0)
            parts.Add(x.narrow(3, tables.Length * width, rest));
        return Torch.cat(parts.ToArray(), 3);
    }

    /// <summary>The sizes of one attention, and its products. Heads that share a key-value head follow one another, so that all their queries make one matrix and keys are never repeated.</summary>
    private readonly struct Sizes(Tensor query, Tensor key, in AttentionOptions options)
    {
        public long Batch { get; } = query.Shape[0];

        public long Heads { get; } = query.Shape[1];

        public long Seq { get; } = query.Shape[2];

        public long HeadDim { get; } = query.Shape[3];

        public long KeyHeads { get; } = key.Shape[1];

        public long Keys { get; } = options.KeyLength;

        /// <summary>[batch, heads, seq, m] times [batch, keyValueHeads, m, n], to [batch, heads, seq, n].</summary>
        public Torch.Tensor Product(Torch.Tensor left, Torch.Tensor right) =>
            Group(left).matmul(right).view(Batch, Heads, Seq, right.shape[3]);

        /// <summary>[batch, heads, seq, m] transposed times [batch, heads, seq, n], summed over the heads of a group: [batch, keyValueHeads, m, n].</summary>
        public Torch.Tensor TransposedProduct(Torch.Tensor left, Torch.Tensor right) => Group(left).transpose(-1, -2).matmul(Group(right));

        private Torch.Tensor Group(Torch.Tensor x) => x.reshape(Batch, KeyHeads, Heads / KeyHeads * Seq, x.shape[3]);
    }
}
