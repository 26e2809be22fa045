using ChatGLM.Tensors;

namespace ChatGLM.Models.ChatGLM6B;

/// <summary>The feed-forward layer, with GELU in its tanh form. (The reference calls it GLU.)</summary>
internal sealed class Mlp : Module
{
    private readonly ModuleSlot<Linear> _denseHTo4H;
    private readonly ModuleSlot<Linear> _dense4HToH;

    public Mlp(WeightScope scope, ChatGLM6BConfig config)
    {
        _denseHTo4H = Child("dense_h_to_4h", new Linear(scope["dense_h_to_4h"], config.HiddenSize, config.InnerHiddenSize));
        _dense4HToH = Child("dense_4h_to_h", new Linear(scope["dense_4h_to_h"], config.InnerHiddenSize, config.HiddenSize));
    }

    /// <summary>[batch, seq, hidden] to [batch, seq, hidden].</summary>
    public Tensor Forward(Tensor x) => _dense4HToH.Value.Forward(Functional.Gelu(_denseHTo4H.Value.Forward(x)));

    /// <summary>The same for one more token of each row: <see cref="TokenPass.Normed"/> to <see cref="TokenPass.Output"/>.</summary>
    public void Forward(TokenPass pass)
    {
        pass.Run(_denseHTo4H.Value, pass.Normed, pass.Inner);
        pass.Kernels.Unary(UnaryOp.GeluTanh, pass.Inner, pass.Inner);
        pass.Run(_dense4HToH.Value, pass.Inner, pass.Output);
    }
}
