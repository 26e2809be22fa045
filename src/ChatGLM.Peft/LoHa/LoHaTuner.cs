using ChatGLM.Models;
using ChatGLM.Peft.Lycoris;
using ChatGLM.Peft.Tuners;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.LoHa;

/// <summary>Puts LoHa on linear layers.</summary>
internal sealed class LoHaTuner : LycorisTuner
{
    public override Module Wrap(Module layer, PreTrainedModel model) => new LoHaLinear((Linear)layer, model.Generator);

    protected override LycorisAdapter Create(string path, Linear layer, LycorisConfig config, int rank, TorchGenerator generator)
    {
        var loha = (LoHaConfig)config;
        var backend = layer.Weight.Backend;
        var w1A = Drawn([layer.OutFeatures, rank], generator, backend);
        var w1B = Drawn([rank, layer.InFeatures], generator, backend);
        var w2A = Drawn([layer.OutFeatures, rank], generator, backend);
        var w2B = loha.InitWeights ? Tensor.Zeros([rank, layer.InFeatures], backend: backend) : Drawn([rank, layer.InFeatures], generator, backend);
        return new LoHaAdapter(w1A, w1B, w2A, w2B)
        {
            Scaling = (float)(PathPatterns.ValueFor(path, config.Origin, "alpha_pattern", loha.AlphaPattern, loha.Alpha) / rank),
            RankDropout = loha.RankDropout,
            ModuleDropout = loha.ModuleDropout,
        };
    }
}
