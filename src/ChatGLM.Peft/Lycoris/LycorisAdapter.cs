using ChatGLM.Peft.Tuners;

namespace ChatGLM.Peft.Lycoris;

/// <summary>What an adapter of this family has in one layer, and how often it is left out in training.</summary>
internal abstract class LycorisAdapter : IAdapter
{
    /// <summary>The probability with which the adapter is left out of a training pass.</summary>
    public required float ModuleDropout { get; init; }

    public abstract IEnumerable<AdapterParameter> Parameters { get; }
}
