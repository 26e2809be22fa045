namespace ChatGLM.Tensors;

/// <summary>The numbers of <see cref="Sgd"/>, with the defaults of <c>torch.optim.SGD</c>.</summary>
public sealed record SgdOptions
{
    /// <summary>The learning rate at first.</summary>
    public double LearningRate { get; init; } = 1e-3;

    /// <summary>The decay of the running sum of gradients; 0 keeps none.</summary>
    public double Momentum { get; init; }

    /// <summary>What a gradient is diminished by before it goes into the running sum.</summary>
    public double Dampening { get; init; }

    /// <summary>Whether to look one step ahead along the running sum.</summary>
    public bool Nesterov { get; init; }

    /// <summary>Weight decay, added to the gradient.</summary>
    public double WeightDecay { get; init; }
}
