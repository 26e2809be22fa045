namespace ChatGLM.Tensors;

public sealed unsafe partial class CpuBackend
{
    // Up to this many queries, reading the keys once in place is cheaper than packing them.
    private const int MaxDecodeQueries = 4;

    /// <inheritdoc/>
    public override Tensor Attention(Tensor query, Tensor key, Tensor value, in AttentionOptions options, Tensor? logSumExp)
    {
        var sizes = CheckAttention(nameof(Attention), query, key, value, options);
        var mask = Mask(nameof(Attention), sizes, options);
        if (logSumExp is not null && (logSumExp.DType != DType.Float32 || logSumExp.ElementCount != (long)sizes.Batch * sizes.Heads * sizes.Seq))
            throw new TensorException(nameof(Attention), $"expected logSumExp float32 [{sizes.Batch}, {sizes.Heads}, {sizes.Seq}], found {logSumExp.DType} {logSumExp.Shape}.");
        var y = New([sizes.Batch, sizes.Seq, sizes.Heads * sizes.HeadDim]);
        Attention(query, key, value, options, logSumExp, y, sizes, mask);
        return y;
    }

    private void Attention(Tensor query, Tensor key, Tensor value, in AttentionOptions options, Tensor? logSumExp, Tensor y, in AttentionSizes sizes, in AttentionMask mask)
    {
        var sums = logSumExp is null ? null : logSumExp.Pointer<float>();
        if (sizes.Seq <= MaxDecodeQueries)
            Decode(query, key, value, y, sums, sizes, mask, options.Scale);
        else
            Prefill(query, key, value, y, sums, sizes, mask, options.Scale);
        GC.KeepAlive(query);
        GC.KeepAlive(key);
        GC.KeepAlive(value);
        GC.KeepAlive(options.Hidden);
        GC.KeepAlive(options.DropoutMask);
        GC.KeepAlive(logSumExp);
        GC.KeepAlive(y);
    }

    /// <inheritdoc/>
    public override (Tensor Query, Tensor Key, Tensor Value) AttentionBackward(Tensor dy, Tensor query, Tensor key, Tensor value, Tensor y, Tensor logSumExp, in AttentionOptions options)
    {
        var sizes = CheckAttention(nameof(AttentionBackward), query, key, value, options);
        var mask = Mask(nameof(AttentionBackward), sizes, options);
        RequireFloat32(nameof(AttentionBackward), dy, "dy", y, "y");
        Shape joined = [sizes.Batch, sizes.Seq, sizes.Heads * sizes.HeadDim];
        if (dy.Shape != joined || y.Shape != joined)
            throw new TensorException(nameof(AttentionBackward), $"expected dy and y {joined}, found {dy.Shape} and {y.Shape}.");
        var dQuery = New(query.Shape);
        var dKey = New(key.Shape.With(2, sizes.Keys));
        var dValue = New(value.Shape.With(2, sizes.Keys));
        var heads = (long)sizes.Batch * sizes.Heads;
        var keyHeads = (long)sizes.Batch * sizes.KeyValueHeads;
        var perHead = (long)sizes.Keys * sizes.HeadDim;
        var panelLength = keyHeads * sizes.Stride * sizes.HeadDim;
        using var panels = Pool.RentScratch(2 * panelLength * sizeof(float));
        var (keyPanels, valuePanels) = ((nint)panels.Pointer, (nint)((float*)panels.Pointer + panelLength));
        PackPanels(key, sizes, (float*)keyPanels);
        PackPanels(value, sizes, (float*)valuePanels);
        var inputs = new AttentionBackwardBody.Inputs(dy.Pointer<float>(), query.Pointer<float>(), key.Pointer<float>(), (float*)keyPanels, (float*)valuePanels);
        var work = Math.Max(1, 5L * sizes.Seq * sizes.Keys * sizes.HeadDim / 16);
        if (sizes.Group == 1)
        {
            Parallel(heads, work, new AttentionBackwardBody(Pool, inputs, dQuery.Pointer<float>(), dKey.Pointer<float>(), dValue.Pointer<float>(), sizes, mask, options.Scale));
        }
        else
        {
            using var partials = Pool.RentScratch(2 * heads * perHead * sizeof(float));
            float* keyPartials = (float*)partials.Pointer, valuePartials = keyPartials + (heads * perHead);
            Parallel(heads, work, new AttentionBackwardBody(Pool, inputs, dQuery.Pointer<float>(), keyPartials, valuePartials, sizes, mask, options.Scale));
            for (long keyHead = 0; keyHead < keyHeads; keyHead++)
            {
                var group = keyHead * sizes.Group * perHead;
                SumColumns(keyPartials + group, dKey.Pointer<float>() + (keyHead * perHead), sizes.Group, perHead, accumulate: false);
                SumColumns(valuePartials + group, dValue.Pointer<float>() + (keyHead * perHead), sizes.Group, perHead, accumulate: false);
            }
        }

        GC.KeepAlive(dy);
        GC.KeepAlive(query);
        GC.KeepAlive(key);
        GC.KeepAlive(value);
        GC.KeepAlive(y);
        GC.KeepAlive(options.Hidden);
        GC.KeepAlive(options.DropoutMask);
        return (dQuery, dKey, dValue);
    }

    private void Decode(Tensor query, Tensor key, Tensor value, Tensor y, float* logSumExp, in AttentionSizes sizes, in AttentionMask mask, float scale)
    {
        var parts = DecodeAttentionBody.PartsOf(sizes.Keys);
        var queries = (long)sizes.Batch * sizes.Heads * sizes.Seq;
        using var partials = Pool.RentScratch(queries * parts * DecodeAttentionBody.PartialLength(sizes.HeadDim) * sizeof(float));
        var left = (float*)partials.Pointer;
        var keysPerPart = Math.Min(sizes.Keys, DecodeAttentionBody.KeysPerPart);
        Parallel((long)sizes.Batch * sizes.KeyValueHeads * parts, 2L * keysPerPart * sizes.HeadDim * Math.Max(1, sizes.Group / 4), new DecodeAttentionBody(
            Pool, query.Pointer<float>(), key.Pointer<float>(), value.Pointer<float>(), left, sizes, mask, scale));
        Parallel(queries, (long)parts * sizes.HeadDim, new CombineAttentionBody(left, y.Pointer<float>(), logSumExp, sizes));
    }

    private void Prefill(Tensor query, Tensor key, Tensor value, Tensor y, float* logSumExp, in AttentionSizes sizes, in AttentionMask mask, float scale)
    {
        using var panels = Pool.RentScratch((long)sizes.Batch * sizes.KeyValueHeads * sizes.Stride * sizes.HeadDim * sizeof(float));
        PackPanels(key, sizes, (float*)panels.Pointer);
        Parallel((long)sizes.Batch * sizes.Heads * sizes.Blocks, Math.Max(1, 2L * sizes.BlockRows * sizes.Keys * sizes.HeadDim / 16), new AttentionBody(
            Pool, query.Pointer<float>(), (float*)panels.Pointer, value.Pointer<float>(), y.Pointer<float>(), logSumExp, sizes, mask, scale));
    }

    private void PackPanels(Tensor rows, in AttentionSizes sizes, float* panels) =>
        Parallel((long)sizes.Batch * sizes.KeyValueHeads * PackPanelsBody.PanelsOf(sizes.Keys), 2L * PackPanelsBody.Keys * sizes.HeadDim, new PackPanelsBody(
            rows.Pointer<float>(), sizes.Capacity, sizes.Keys, sizes.HeadDim, panels));

    private static AttentionMask Mask(string operation, in AttentionSizes sizes, in AttentionOptions options)
    {
        byte* hidden = null;
        var perQuery = false;
        if (options.Hidden is { } mask)
        {
            if (mask.DType.SizeInBytes() != 1 || mask.Shape.Rank != 3 || mask.Shape[0] != sizes.Batch || (mask.Shape[1] != 1 && mask.Shape[1] != sizes.Seq) || mask.Shape[2] != sizes.Keys)
                throw new TensorException(operation, $"expected Hidden bool [{sizes.Batch}, 1 or {sizes.Seq}, {sizes.Keys}], found {mask.DType} {mask.Shape}.");
            hidden = (byte*)mask.Address;
            perQuery = mask.Shape[1] != 1;
        }

        float* dropout = null;
        if (options.DropoutMask is { } kept)
        {
            if (kept.DType != DType.Float32 || kept.ElementCount != (long)sizes.Batch * sizes.Heads * sizes.Seq * sizes.Keys)
                throw new TensorException(operation, $"expected DropoutMask float32 [{sizes.Batch}, {sizes.Heads}, {sizes.Seq}, {sizes.Keys}], found {kept.DType} {kept.Shape}.");
            dropout = kept.Pointer<float>();
        }

        return new AttentionMask(hidden, perQuery, options.Causal, options.HiddenScore, dropout, sizes.Heads, sizes.Seq, sizes.Keys);
    }

    private static AttentionSizes CheckAttention(string operation, Tensor query, Tensor key, Tensor value, in AttentionOptions options)
    {
        RequireFloat32(operation, query, "query");
        RequireFloat32(operation, key, "key", value, "value");
        if (query.Shape.Rank != 4 || key.Shape.Rank != 4 || key.Shape != value.Shape || key.Shape[0] != query.Shape[0] || key.Shape[3] != query.Shape[3])
            throw new TensorException(operation, $"expected query [batch, heads, seq, headDim] and key and value [batch, keyValueHeads, capacity, headDim], found {query.Shape}, {key.Shape}, {value.Shape}.");
        var (heads, keyHeads) = (query.Shape[1], key.Shape[1]);
        if (keyHeads == 0 || heads % keyHeads != 0)
            throw new TensorException(operation, $"{heads} query heads cannot share {keyHeads} key and value heads equally.");
        if (options.KeyLength < 0 || options.KeyLength > key.Shape[2])
            throw new TensorException(operation, $"KeyLength {options.KeyLength} is not in 0..{key.Shape[2]}, the capacity of the keys {key.Shape}.");
        return new AttentionSizes(query.Shape[0], heads, keyHeads, query.Shape[2], options.KeyLength, key.Shape[2], query.Shape[3]);
    }
}
