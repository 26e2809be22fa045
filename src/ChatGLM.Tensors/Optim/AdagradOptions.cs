namespace ChatGLM.Tensors;

/// <summary>The numbers of <see cref="Adagrad"/>, with the defaults of <c>torch.optim.Adagrad</c>.</summary>
public sealed record AdagradOptions
{
    /// <summary>The learning rate at first.</summary>
    public double LearningRate { get; init; } = 1e-2;

    /// <summary>The learning rate is divided by 1 + this times the steps before.</summary>
    public double LearningRateDecay { get; init; }

    /// <summary>Added to the root of the sum of squared gradients.</summary>
    public double Epsilon { get; init; } = 1e-10;

    /// <summary>Weight decay, added to the gradient.</summary>
    public double WeightDecay { get; init; }
}
