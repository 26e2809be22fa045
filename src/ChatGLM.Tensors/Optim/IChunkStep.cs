namespace ChatGLM.Tensors;

/// <summary>The arithmetic of an optimizer that changes every number by itself, over a run of numbers that fits the processor's cache.</summary>
internal interface IChunkStep
{
    /// <summary>Changes a run of a parameter.</summary>
    /// <param name="parameter">The parameter, to be changed.</param>
    /// <param name="gradient">Its gradient, scaled already; may be used as a scratch pad.</param>
    /// <param name="first">The first tensor of the state; empty if there is none.</param>
    /// <param name="second">The second tensor of the state; empty if there is none.</param>
    /// <param name="third">The third tensor of the state; empty if there is none.</param>
    void Apply(Span<float> parameter, Span<float> gradient, Span<float> first, Span<float> second, Span<float> third);
}
