namespace ChatGLM.Tensors;

public sealed unsafe partial class CpuBackend
{
    /// <inheritdoc/>
    public override (Tensor Query, Tensor Key, Tensor Value) SplitHeads(Tensor qkv, Tensor? positions, in HeadLayout layout, RotaryTable? rotary)
    {
        var (batch, seq) = CheckProjection(qkv, layout);
        CheckRotary(nameof(SplitHeads), batch, seq, positions, layout, rotary);
        var query = New([batch, layout.Heads, seq, layout.HeadDim]);
        var key = New([batch, layout.KeyValueHeads, seq, layout.HeadDim]);
        var value = New([batch, layout.KeyValueHeads, seq, layout.HeadDim]);
        MoveHeads(qkv, query, key, value, positions, layout, rotary, backward: false);
        return (query, key, value);
    }

    /// <inheritdoc/>
    public override Tensor SplitHeadsBackward(Tensor dQuery, Tensor dKey, Tensor dValue, Tensor? positions, in HeadLayout layout, RotaryTable? rotary)
    {
        RequireFloat32(nameof(SplitHeadsBackward), dQuery, "dQuery");
        RequireFloat32(nameof(SplitHeadsBackward), dKey, "dKey", dValue, "dValue");
        var (batch, seq) = (dQuery.Shape[0], dQuery.Shape[2]);
        Shape expected = [batch, layout.KeyValueHeads, seq, layout.HeadDim];
        if (dQuery.Shape != expected.With(1, layout.Heads) || dKey.Shape != expected || dValue.Shape != expected)
            throw new TensorException(nameof(SplitHeadsBackward), $"{dQuery.Shape}, {dKey.Shape}, {dValue.Shape} are not the gradients of query, key and value for {layout}.");
        CheckRotary(nameof(SplitHeadsBackward), batch, seq, positions, layout, rotary);
        var dqkv = New([batch, seq, layout.Width]);
        MoveHeads(dqkv, dQuery, dKey, dValue, positions, layout, rotary, backward: true);
        return dqkv;
    }

    /// <summary>Between a fused projection and its heads. Key and value may have room for more positions than there are: those there are lie from <paramref name="place"/> on.</summary>
    private void MoveHeads(Tensor fused, Tensor query, Tensor key, Tensor value, Tensor? positions, in HeadLayout layout, RotaryTable? rotary, bool backward, int place = 0)
    {
        var seq = query.Shape[2];
        var plan = new SplitHeadsBody.Plan(layout, seq, key.Shape[2], rotary?.RotaryDim ?? 0, rotary?.Sections ?? 0, rotary?.Style == RotaryStyle.Interleaved, backward);
        var at = rotary is null ? null : positions!.Pointer<long>();
        var cos = rotary is null ? null : rotary.Cos.Pointer<float>();
        var sin = rotary is null ? null : rotary.Sin.Pointer<float>();
        Parallel((long)query.Shape[0] * seq, 3L * layout.Width, new SplitHeadsBody(
            fused.Pointer<float>(), query.Pointer<float>(), key.Pointer<float>() + ((long)place * layout.HeadDim), value.Pointer<float>() + ((long)place * layout.HeadDim), at, cos, sin, plan));
        GC.KeepAlive(fused);
        GC.KeepAlive(query);
        GC.KeepAlive(key);
        GC.KeepAlive(value);
        GC.KeepAlive(positions);
        GC.KeepAlive(rotary);
    }

    private static (int Batch, int Seq) CheckProjection(Tensor qkv, in HeadLayout layout)
    {
        RequireFloat32(nameof(SplitHeads), qkv, "qkv");
        return qkv.Shape.Rank == 3 && qkv.Shape[2] == layout.Width
            ? (qkv.Shape[0], qkv.Shape[1])
            : throw new TensorException(nameof(SplitHeads), $"expected [batch, seq, {layout.Width}] for {layout}, found {qkv.Shape}.");
    }

    private static void CheckRotary(string operation, int batch, int seq, Tensor? positions, in HeadLayout layout, RotaryTable? rotary)
    {
        if (rotary is null)
            return;
        if (positions is null)
            throw new TensorException(operation, "rotary embedding needs positions, none were given.");
        RequireInt64(operation, positions, "positions");
        RequireFloat32(operation, rotary.Cos, "Cos", rotary.Sin, "Sin");
        if (rotary.Sin.Shape != rotary.Cos.Shape)
            throw new TensorException(operation, $"the rotary table's sines {rotary.Sin.Shape} and cosines {rotary.Cos.Shape} differ in shape.");
        if ((long)rotary.RotaryDim * rotary.Sections > layout.HeadDim)
            throw new TensorException(operation, $"{rotary.Sections} sections of {rotary.RotaryDim} do not fit into a head of {layout.HeadDim}.");
        if (positions.ElementCount != (long)batch * rotary.Sections * seq)
            throw new TensorException(operation, $"expected positions [{batch}, {rotary.Sections}, {seq}], found {positions.Shape}.");
        CheckRange(operation, positions, rotary.Positions, "position");
    }
}
