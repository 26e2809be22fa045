namespace ChatGLM.Tensors;

/// <summary>The numbers of <see cref="TransformersAdamW"/>, with the defaults of transformers.</summary>
public sealed record TransformersAdamWOptions
{
    /// <summary>The learning rate at first.</summary>
    public double LearningRate { get; init; } = 1e-3;

    /// <summary>The decay of the mean of gradients.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>The decay of the mean of squared gradients.</summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>Added to the root of the mean of squared gradients.</summary>
    public double Epsilon { get; init; } = 1e-6;

    /// <summary>Decoupled weight decay.</summary>
    public double WeightDecay { get; init; }

    /// <summary>Whether the means are corrected for starting at zero; BERT's original code did not.</summary>
    public bool CorrectBias { get; init; } = true;
}
