using ChatGLM.Tensors;

namespace ChatGLM.Models.ChatGLM2;

/// <summary>A layer: normalise, attend, normalise, feed forward, each added to what came in, or to its normalised form.</summary>
internal sealed class Block : Module
{
    private readonly ModuleSlot<NormModule> _inputLayernorm;
    private readonly ModuleSlot<SelfAttention> _selfAttention;
    private readonly ModuleSlot<NormModule> _postAttentionLayernorm;
    private readonly ModuleSlot<Mlp> _mlp;
    private readonly bool _residualAfterNorm;
    private readonly float _hiddenDropout;
    private readonly TorchGenerator _generator;

    public Block(WeightScope scope, ChatGLM2Config config, int layer, TorchGenerator generator)
    {
        _generator = generator;
        _hiddenDropout = (float)config.HiddenDropout;
        _residualAfterNorm = config.ApplyResidualConnectionPostLayernorm;
        _inputLayernorm = Child("input_layernorm", Norm.Create(scope["input_layernorm"], config));
        _selfAttention = Child("self_attention", new SelfAttention(scope["self_attention"], config, layer, generator));
        _postAttentionLayernorm = Child("post_attention_layernorm", Norm.Create(scope["post_attention_layernorm"], config));
        _mlp = Child("mlp", new Mlp(scope["mlp"], config));
    }

    public HeadLayout Layout => _selfAttention.Value.Layout;

    /// <summary>[batch, seq, hidden] to [batch, seq, hidden].</summary>
    public Tensor Forward(Tensor hidden, LayerContext context)
    {
        var normed = _inputLayernorm.Value.Forward(hidden);
        var attended = Functional.Dropout(_selfAttention.Value.Forward(normed, context), _hiddenDropout, _generator, Training);
        var mlpResidual = Functional.Add(_residualAfterNorm ? normed : hidden, attended);
        var mlpInput = _postAttentionLayernorm.Value.Forward(mlpResidual);
        var mlp = Functional.Dropout(_mlp.Value.Forward(mlpInput), _hiddenDropout, _generator, Training);
        return Functional.Add(_residualAfterNorm ? mlpInput : mlpResidual, mlp);
    }

    /// <summary>The same for one more token of each row: <see cref="TokenPass.Hidden"/> to itself.</summary>
    public void Forward(TokenPass pass)
    {
        pass.Run(_inputLayernorm.Value, pass.Hidden, pass.Normed);
        _selfAttention.Value.Forward(pass);
        pass.Kernels.Add(_residualAfterNorm ? pass.Normed : pass.Hidden, pass.Output, 1, pass.Hidden);
        pass.Run(_postAttentionLayernorm.Value, pass.Hidden, pass.Normed);
        _mlp.Value.Forward(pass);
        pass.Kernels.Add(_residualAfterNorm ? pass.Normed : pass.Hidden, pass.Output, 1, pass.Hidden);
    }
}
