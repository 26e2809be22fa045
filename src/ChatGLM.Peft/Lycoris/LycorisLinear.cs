using ChatGLM.Peft.Tuners;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.Lycoris;

/// <summary>A linear layer with adapters that may be left out of a training pass as a whole.</summary>
internal abstract class LycorisLinear<TAdapter>(Linear baseLayer, TorchGenerator generator) : TunerLinear<TAdapter>(baseLayer)
    where TAdapter : LycorisAdapter
{
    protected TorchGenerator Generator { get; } = generator;

    /// <summary>Whether an adapter takes part in this pass. In training a number is drawn even where the probability is 0, as peft does, so that a seed means the same run.</summary>
    protected bool TakesPart(TAdapter adapter) => !Training || Generator.NextSingle() > adapter.ModuleDropout;
}
