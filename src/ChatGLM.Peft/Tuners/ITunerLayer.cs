using ChatGLM.Tensors;

namespace ChatGLM.Peft.Tuners;

/// <summary>
/// A layer of the base with adapters around it. It stands in the base layer's place, and is one to those who call it. This is all that <see cref="PeftModel"/> knows of a
/// kind of adapter.
/// </summary>
internal interface ITunerLayer
{
    /// <summary>The adapters of this layer in the order in which they were added.</summary>
    IEnumerable<string> Adapters { get; }

    /// <summary>The bias of the base layer, if it has one.</summary>
    Tensor? Bias { get; }

    /// <summary>The base's own tensors that something else may stand in for now.</summary>
    IEnumerable<Tensor> Aside => [];

    /// <summary>Whether the weight holds adapters now.</summary>
    bool IsMerged { get; }

    /// <summary>The parameters of an adapter; none if this layer lacks it.</summary>
    IEnumerable<AdapterParameter> Parameters(string adapter);

    /// <summary>Puts a new adapter beside the others; it is not active yet.</summary>
    void Add(string adapter, IAdapter value);

    /// <summary>Takes an adapter away and gives its memory back.</summary>
    void Delete(string adapter);

    /// <summary>Which adapters take part, in order; those that this layer lacks are passed over.</summary>
    void Activate(IReadOnlyList<string> adapters);

    /// <summary>Switches all adapters on or off.</summary>
    void Enable(bool isEnabled);

    /// <summary>Why the base's weight cannot hold an adapter, or null.</summary>
    string? ProblemWithMerging();

    /// <summary>Puts adapters into a copy of the weight, which takes the weight's place.</summary>
    /// <exception cref="AdapterMergeException">The result would not be finite.</exception>
    void Merge(IReadOnlyList<string> adapters, string path);

    /// <summary>Puts the weight back that was there before.</summary>
    void Unmerge();

    /// <summary>The base layer, to be put back into its place. If adapters are merged they stay in its weight, and the memory of the old one is given back.</summary>
    Module Unload();
}

/// <summary>What one adapter has in one layer.</summary>
internal interface IAdapter
{
    IEnumerable<AdapterParameter> Parameters { get; }

    /// <summary>Gives back what the adapter has beside its parameters, when it was never put into its layer.</summary>
    void Release()
    {
    }
}
