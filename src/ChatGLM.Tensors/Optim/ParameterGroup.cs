namespace ChatGLM.Tensors;

/// <summary>Parameters that are trained with the same learning rate and weight decay.</summary>
/// <param name="parameters">The parameters; for most, those that require a gradient.</param>
/// <param name="learningRate">The learning rate of the next step.</param>
/// <param name="weightDecay">The weight decay.</param>
public sealed class ParameterGroup(IEnumerable<Tensor> parameters, double learningRate, double weightDecay = 0)
{
    /// <summary>The parameters.</summary>
    public IReadOnlyList<Tensor> Parameters { get; } = [.. parameters];

    /// <summary>The learning rate of the next step; schedules set it.</summary>
    public double LearningRate { get; set; } = learningRate;

    /// <summary>The weight decay.</summary>
    public double WeightDecay { get; set; } = weightDecay;
}
