namespace ChatGLM.Tensors;

/// <summary>The numbers of <see cref="Adam"/>, with the defaults of <c>torch.optim.Adam</c>.</summary>
public sealed record AdamOptions
{
    /// <summary>The learning rate at first.</summary>
    public double LearningRate { get; init; } = 1e-3;

    /// <summary>The decay of the mean of gradients.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>The decay of the mean of squared gradients.</summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>Added to the root of the mean of squared gradients.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>Weight decay, added to the gradient.</summary>
    public double WeightDecay { get; init; }

    /// <summary>Whether to divide by the greatest mean of squared gradients so far.</summary>
    public bool AmsGrad { get; init; }
}
