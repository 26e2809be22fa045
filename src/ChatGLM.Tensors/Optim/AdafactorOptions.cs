namespace ChatGLM.Tensors;

/// <summary>The numbers of <see cref="Adafactor"/>, with the defaults of transformers.</summary>
public sealed record AdafactorOptions
{
    /// <summary>The learning rate at first. With <see cref="RelativeStep"/> it is not used.</summary>
    public double LearningRate { get; init; } = 1e-3;

    /// <summary>Added to squared gradients.</summary>
    public double SquaredGradientEpsilon { get; init; } = 1e-30;

    /// <summary>The least scale of a parameter.</summary>
    public double ParameterScaleEpsilon { get; init; } = 1e-3;

    /// <summary>The greatest root mean square of an update before the learning rate.</summary>
    public double ClipThreshold { get; init; } = 1;

    /// <summary>The mean of squared gradients decays by 1 - step to this power.</summary>
    public double DecayRate { get; init; } = -0.8;

    /// <summary>The decay of the mean of updates; null keeps none.</summary>
    public double? Beta1 { get; init; }

    /// <summary>Decoupled weight decay.</summary>
    public double WeightDecay { get; init; }

    /// <summary>Whether the learning rate is multiplied by the root mean square of the parameter.</summary>
    public bool ScaleParameter { get; init; } = true;

    /// <summary>Whether the learning rate follows from the step alone.</summary>
    public bool RelativeStep { get; init; } = true;

    /// <summary>Whether a learning rate that follows from the step starts near zero.</summary>
    public bool WarmupInit { get; init; }
}
