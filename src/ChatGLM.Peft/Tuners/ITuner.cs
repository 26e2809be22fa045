using ChatGLM.Models;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.Tuners;

/// <summary>
/// A kind of adapter: knows where its configuration puts it, makes its parameters and wraps layers. A new kind implements this and <see cref="ITunerLayer"/>, for linear layers by
/// deriving from <see cref="TunerLinear{TAdapter}"/>. Each adapter has a tuner of its own, which may keep what belongs to the adapter as a whole.
/// </summary>
internal interface ITuner
{
    /// <summary>The layers that a configuration means, in order.</summary>
    IReadOnlyList<string> FindTargets(Module model, PeftConfig config);

    /// <summary>The configuration as it is kept and saved, with what the model decided.</summary>
    PeftConfig Complete(Module model, PeftConfig config, IReadOnlyList<string> targets);

    /// <summary>Makes the parameters of a new adapter for one layer; they belong to no scope.</summary>
    /// <param name="path">The layer's path.</param>
    /// <param name="layer">The layer, wrapped already or not.</param>
    /// <param name="config">The configuration.</param>
    /// <param name="generator">Where the first values are drawn from.</param>
    IAdapter Create(string path, Module layer, PeftConfig config, TorchGenerator generator);

    /// <summary>The layer that takes a base layer's place; it has no adapter yet.</summary>
    Module Wrap(Module layer, PreTrainedModel model);

    /// <summary>What the layers of the adapter share and its file holds once, under whole keys; nothing for most kinds. It is never trained.</summary>
    IEnumerable<(string Key, Tensor Tensor)> Shared => [];

    /// <summary>Gives back what the adapter has beside its layers, when it is deleted.</summary>
    void Release()
    {
    }
}
