using ChatGLM.Tensors;

namespace ChatGLM.Models.ChatGLM6B;

/// <summary>Attention with two-dimensional rotary positions (or one-dimensional ones) and a mask that hides with a finite score.</summary>
internal sealed class SelfAttention : Module
{
    /// <summary>What a hidden score is filled with before the layer's coefficient multiplies it.</summary>
    private const float MaskedScore = -10000;

    private readonly ModuleSlot<Linear> _queryKeyValue;
    private readonly ModuleSlot<Linear> _dense;
    private readonly HeadLayout _layout;
    private readonly int _layer;

    public SelfAttention(WeightScope scope, ChatGLM6BConfig config, int layer)
    {
        _layer = layer;
        _layout = new HeadLayout(config.NumAttentionHeads, config.NumAttentionHeads, config.HeadDim, InterleavedPerHead: true);
        _queryKeyValue = Child("query_key_value", new Linear(scope["query_key_value"], config.HiddenSize, _layout.Width));
        _dense = Child("dense", new Linear(scope["dense"], config.HiddenSize, config.HiddenSize));
    }

    public HeadLayout Layout => _layout;

    /// <summary>[batch, seq, hidden] to [batch, seq, hidden].</summary>
    public Tensor Forward(Tensor x, LayerContext context)
    {
        var (query, key, value) = Functional.SplitHeads(_queryKeyValue.Value.Forward(x), context.Positions, _layout, context.Rotary);
        if (context.AttendPages(_layer, query, key, value, 1 / MathF.Sqrt(_layout.HeadDim)) is { } attended)
            return _dense.Value.Forward(attended);
        (key, value, var keyLength) = context.Extend(_layer, key, value);
        // The reference divides the query by sqrt(headDim) * (layer + 1) and multiplies the masked scores by layer + 1 again: only the mask feels it.
        var options = new AttentionOptions(1 / MathF.Sqrt(_layout.HeadDim), keyLength)
        {
            Hidden = context.Hidden,
            HiddenScore = MaskedScore * (_layer + 1),
        };
        return _dense.Value.Forward(Functional.Attention(query, key, value, options));
    }

    /// <summary>The same for one more token of each row: <see cref="TokenPass.Normed"/> to <see cref="TokenPass.Output"/>.</summary>
    public void Forward(TokenPass pass)
    {
        pass.Run(_queryKeyValue.Value, pass.Normed, pass.Projection);
        pass.Attend(_layer, _layout, MaskedScore * (_layer + 1));
        pass.Run(_dense.Value, pass.Attended, pass.Output);
    }
}
