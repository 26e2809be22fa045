using ChatGLM.Tensors;

namespace ChatGLM.Models.ChatGLM6B;

/// <summary>A layer: normalise, attend, normalise, feed forward. The residuals are the normalised inputs, scaled up with depth.</summary>
internal sealed class Block : Module
{
    /// <summary>
    /// sqrt(2 * layers) for the 28 layers of the published model. The reference's blocks are never told how many there are, so a model with any other number has this factor too.
    /// </summary>
    private static readonly float Alpha = MathF.Sqrt(2 * 28);

    private readonly ModuleSlot<LayerNorm> _inputLayernorm;
    private readonly ModuleSlot<SelfAttention> _attention;
    private readonly ModuleSlot<LayerNorm> _postAttentionLayernorm;
    private readonly ModuleSlot<Mlp> _mlp;

    public Block(WeightScope scope, ChatGLM6BConfig config, int layer)
    {
        var epsilon = (float)config.LayernormEpsilon;
        _inputLayernorm = Child("input_layernorm", new LayerNorm(scope["input_layernorm"], config.HiddenSize, epsilon));
        _attention = Child("attention", new SelfAttention(scope["attention"], config, layer));
        _postAttentionLayernorm = Child("post_attention_layernorm", new LayerNorm(scope["post_attention_layernorm"], config.HiddenSize, epsilon));
        _mlp = Child("mlp", new Mlp(scope["mlp"], config));
    }

    public HeadLayout Layout => _attention.Value.Layout;

    /// <summary>[batch, seq, hidden] to [batch, seq, hidden].</summary>
    public Tensor Forward(Tensor hidden, LayerContext context)
    {
        var attentionInput = _inputLayernorm.Value.Forward(hidden);
        var attended = _attention.Value.Forward(attentionInput, context);
        var mlpInput = _postAttentionLayernorm.Value.Forward(Functional.Add(attended, attentionInput, Alpha));
        return Functional.Add(_mlp.Value.Forward(mlpInput), mlpInput, Alpha);
    }

    /// <summary>The same for one more token of each row: <see cref="TokenPass.Hidden"/> to itself.</summary>
    public void Forward(TokenPass pass)
    {
        pass.Run(_inputLayernorm.Value, pass.Hidden, pass.Normed);
        _attention.Value.Forward(pass);
        pass.Kernels.Add(pass.Output, pass.Normed, Alpha, pass.Hidden);
        pass.Run(_postAttentionLayernorm.Value, pass.Hidden, pass.Normed);
        _mlp.Value.Forward(pass);
        pass.Kernels.Add(pass.Output, pass.Normed, Alpha, pass.Hidden);
    }
}
