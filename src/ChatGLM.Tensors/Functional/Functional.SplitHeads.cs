namespace ChatGLM.Tensors;

public static partial class Functional
{
    /// <summary>Cuts a fused projection into the heads of query, key and value, and rotates query and key by their positions.</summary>
    /// <param name="qkv">float32 [batch, seq, <see cref="HeadLayout.Width"/>].</param>
    /// <param name="positions">int64 [batch, seq], or [batch, sections, seq] for a table of several sections; null without a table.</param>
    /// <param name="layout">How the heads lie in the projection.</param>
    /// <param name="rotary">The rotary table, or null to rotate nothing.</param>
    /// <returns>Query [batch, heads, seq, headDim]; key and value [batch, keyValueHeads, seq, headDim].</returns>
    public static (Tensor Query, Tensor Key, Tensor Value) SplitHeads(Tensor qkv, Tensor? positions, in HeadLayout layout, RotaryTable? rotary)
    {
        Require.Float32(nameof(SplitHeads), "qkv", qkv);
        Require.Rank(nameof(SplitHeads), "qkv", qkv, 3, "[batch, seq, width]");
        Require.Width(nameof(SplitHeads), "qkv", qkv, layout.Width);
        if (layout.InterleavedPerHead && layout.KeyValueHeads != layout.Heads)
            throw new TensorException(nameof(SplitHeads), $"layout: heads interleaved one by one need as many key-value heads as query heads, found {layout.KeyValueHeads} and {layout.Heads}.");
        if (rotary is not null)
            RequirePositions(qkv, positions, layout, rotary);
        var heads = qkv.Backend.SplitHeads(qkv, positions, layout, rotary);
        if (GradFunction.Records(qkv))
        {
            var function = new SplitHeadsFunction(qkv, heads.Query.Shape, heads.Key.Shape, positions, layout, rotary);
            function.Attach(heads.Query);
            function.Attach(heads.Key);
            function.Attach(heads.Value);
        }

        return heads;
    }

    private static void RequirePositions(Tensor qkv, Tensor? positions, in HeadLayout layout, RotaryTable rotary)
    {
        const string operation = nameof(SplitHeads);
        if (positions is null)
            throw new TensorException(operation, "positions: a rotary table needs them.");
        Require.ElementType(operation, "positions", positions, DType.Int64);
        Require.SameBackend(operation, qkv, positions, rotary.Cos, rotary.Sin);
        var (batch, seq) = (qkv.Shape[0], qkv.Shape[1]);
        if (rotary.Sections != 1 || positions.Shape.Rank == 3)
            Require.Shape(operation, "positions", positions, [batch, rotary.Sections, seq]);
        else
            Require.Shape(operation, "positions", positions, [batch, seq]);
        if (rotary.Sections * rotary.RotaryDim > layout.HeadDim)
            throw new TensorException(operation, $"rotary: {rotary.Sections} sections of {rotary.RotaryDim} elements do not fit in a head of {layout.HeadDim}.");
    }

    private sealed class SplitHeadsFunction : GradFunction
    {
        private readonly Shape _queryShape;
        private readonly Shape _keyShape;
        private readonly Tensor? _positions;
        private readonly HeadLayout _layout;
        private readonly RotaryTable? _rotary;

        public SplitHeadsFunction(Tensor qkv, in Shape queryShape, in Shape keyShape, Tensor? positions, in HeadLayout layout, RotaryTable? rotary)
            : base(qkv)
        {
            (_queryShape, _keyShape, _layout) = (queryShape, keyShape, layout);
            if (rotary is null)
                return;
            _positions = Save(positions!);
            _rotary = rotary with { Cos = Save(rotary.Cos), Sin = Save(rotary.Sin) };
        }

        protected internal override void Backward(ReadOnlySpan<Tensor?> gradOutputs, GradSink sink)
        {
            var backend = (gradOutputs[0] ?? gradOutputs[1] ?? gradOutputs[2])!.Backend;
            sink.Add(0, backend.SplitHeadsBackward(
                gradOutputs[0] ?? Tensor.Zeros(_queryShape, DType.Float32, backend),
                gradOutputs[1] ?? Tensor.Zeros(_keyShape, DType.Float32, backend),
                gradOutputs[2] ?? Tensor.Zeros(_keyShape, DType.Float32, backend),
                _positions,
                _layout,
                _rotary));
        }
    }
}
