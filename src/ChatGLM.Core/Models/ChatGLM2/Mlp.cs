using ChatGLM.Tensors;

namespace ChatGLM.Models.ChatGLM2;

/// <summary>The gated feed-forward layer (SwiGLU, Shazeer 2020).</summary>
internal sealed class Mlp : Module
{
    private readonly ModuleSlot<Linear> _denseHTo4H;
    private readonly ModuleSlot<Linear> _dense4HToH;

    public Mlp(WeightScope scope, ChatGLM2Config config)
    {
        _denseHTo4H = Child("dense_h_to_4h", new Linear(scope["dense_h_to_4h"], config.HiddenSize, 2 * config.FfnHiddenSize, config.AddBiasLinear));
        _dense4HToH = Child("dense_4h_to_h", new Linear(scope["dense_4h_to_h"], config.FfnHiddenSize, config.HiddenSize, config.AddBiasLinear));
    }

    /// <summary>[batch, seq, hidden] to [batch, seq, hidden].</summary>
    public Tensor Forward(Tensor x) => _dense4HToH.Value.Forward(Functional.SwiGlu(_denseHTo4H.Value.Forward(x)));

    /// <summary>The same for one more token of each row: <see cref="TokenPass.Normed"/> to <see cref="TokenPass.Output"/>.</summary>
    public void Forward(TokenPass pass)
    {
        pass.Run(_denseHTo4H.Value, pass.Normed, pass.Inner);
        pass.Kernels.SwiGlu(pass.Inner, pass.Gated);
        pass.Run(_dense4HToH.Value, pass.Gated, pass.Output);
    }
}
