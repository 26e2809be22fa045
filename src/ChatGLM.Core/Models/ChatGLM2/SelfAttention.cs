using ChatGLM.Tensors;

namespace ChatGLM.Models.ChatGLM2;

/// <summary>Causal attention with rotary positions on half of each head, and key-value heads that groups of query heads may share.</summary>
internal sealed class SelfAttention : Module
{
    private readonly ModuleSlot<Linear> _queryKeyValue;
    private readonly ModuleSlot<Linear> _dense;
    private readonly HeadLayout _layout;
    private readonly TorchGenerator _generator;
    private readonly double _dropout;
    private readonly int _layer;

    public SelfAttention(WeightScope scope, ChatGLM2Config config, int layer, TorchGenerator generator)
    {
        _layer = layer;
        _generator = generator;
        _dropout = config.AttentionDropout;
        _layout = new HeadLayout(config.NumAttentionHeads, config.KeyValueHeads, config.KvChannels, InterleavedPerHead: !config.MultiQueryAttention);
        _queryKeyValue = Child("query_key_value", new Linear(scope["query_key_value"], config.HiddenSize, _layout.Width, config.AddBiasLinear || config.AddQkvBias));
        _dense = Child("dense", new Linear(scope["dense"], config.KvChannels * config.NumAttentionHeads, config.HiddenSize, config.AddBiasLinear));
    }

    public HeadLayout Layout => _layout;

    /// <summary>[batch, seq, hidden] to [batch, seq, hidden].</summary>
    public Tensor Forward(Tensor x, LayerContext context)
    {
        var (query, key, value) = Functional.SplitHeads(_queryKeyValue.Value.Forward(x), context.Positions, _layout, context.Rotary);
        if (context.AttendPages(_layer, query, key, value, 1 / MathF.Sqrt(_layout.HeadDim)) is { } attended)
            return _dense.Value.Forward(attended);
        (key, value, var keyLength) = context.Extend(_layer, key, value);
        // Layer-wise scaling divides by the layer's number and multiplies by it again before the mask: neutral in float32.
        var options = new AttentionOptions(1 / MathF.Sqrt(_layout.HeadDim), keyLength)
        {
            Causal = context.Causal,
            Hidden = context.Hidden,
            DropoutMask = Training && _dropout > 0 ? DropoutMask([query.Shape[0], query.Shape[1], query.Shape[2], keyLength], query.Backend) : null,
        };
        return _dense.Value.Forward(Functional.Attention(query, key, value, options));
    }

    /// <summary>The same for one more token of each row: <see cref="TokenPass.Normed"/> to <see cref="TokenPass.Output"/>.</summary>
    public void Forward(TokenPass pass)
    {
        pass.Run(_queryKeyValue.Value, pass.Normed, pass.Projection);
        pass.Attend(_layer, _layout, float.NegativeInfinity);
        pass.Run(_dense.Value, pass.Attended, pass.Output);
    }

    private Tensor DropoutMask(in Shape shape, Backend backend)
    {
        var mask = new float[shape.ElementCount];
        _generator.DropoutMask(mask, _dropout);
        return Tensor.From(mask, shape, backend);
    }
}
