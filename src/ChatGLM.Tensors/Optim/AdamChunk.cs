using System.Numerics.Tensors;

namespace ChatGLM.Tensors;

/// <summary>One step of Adam in the forms that are about: they differ in where weight decay and epsilon come in.</summary>
/// <param name="Beta1">The decay of the first moment.</param>
/// <param name="Beta2">The decay of the second moment.</param>
/// <param name="OneMinusBeta1">The weight of the gradient, rounded once from double.</param>
/// <param name="OneMinusBeta2">The weight of the squared gradient, rounded once from double.</param>
/// <param name="Epsilon">Added to the denominator.</param>
/// <param name="StepSize">The learning rate, with the bias corrections that the form applies to it.</param>
/// <param name="RootScale">Divides the root of the second moment before epsilon is added.</param>
/// <param name="DecayBefore">The parameter is multiplied by this first; 1 for no decay.</param>
/// <param name="DecayAfter">The parameter is multiplied by this at last; 1 for no decay.</param>
/// <param name="GradientDecay">So much of the parameter is added to the gradient; 0 for none.</param>
internal readonly record struct AdamChunk(
    float Beta1, float Beta2, float OneMinusBeta1, float OneMinusBeta2, float Epsilon, float StepSize, float RootScale, float DecayBefore, float DecayAfter, float GradientDecay) : IChunkStep
{
    /// <summary>PyTorch's form, bias-corrected, with decay yet to be set.</summary>
    public static AdamChunk Torch(double learningRate, double beta1, double beta2, double epsilon, long step) => new(
        (float)beta1,
        (float)beta2,
        (float)(1 - beta1),
        (float)(1 - beta2),
        (float)epsilon,
        (float)(learningRate / (1 - Math.Pow(beta1, step))),
        (float)Math.Sqrt(1 - Math.Pow(beta2, step)),
        DecayBefore: 1,
        DecayAfter: 1,
        GradientDecay: 0);

    /// <inheritdoc/>
    /// <remarks>The third state is the greatest second moment so far (AMSGrad).</remarks>
    public void Apply(Span<float> parameter, Span<float> gradient, Span<float> first, Span<float> second, Span<float> third)
    {
        if (GradientDecay != 0)
            TensorPrimitives.MultiplyAdd(parameter, GradientDecay, gradient, gradient);
        if (DecayBefore != 1)
            TensorPrimitives.Multiply(parameter, DecayBefore, parameter);
        TensorPrimitives.Multiply(first, Beta1, first);
        TensorPrimitives.MultiplyAdd(gradient, OneMinusBeta1, first, first);
        TensorPrimitives.Multiply(gradient, gradient, gradient);
        TensorPrimitives.Multiply(second, Beta2, second);
        TensorPrimitives.MultiplyAdd(gradient, OneMinusBeta2, second, second);
        if (!third.IsEmpty)
            TensorPrimitives.Max(third, second, third);

        // The squares are not needed any more: their place takes the denominator.
        TensorPrimitives.Sqrt(third.IsEmpty ? second : third, gradient);
        if (RootScale != 1)
            TensorPrimitives.Divide(gradient, RootScale, gradient);
        TensorPrimitives.Add(gradient, Epsilon, gradient);
        TensorPrimitives.Divide(first, gradient, gradient);
        TensorPrimitives.MultiplyAdd(gradient, -StepSize, parameter, parameter);
        if (DecayAfter != 1)
            TensorPrimitives.Multiply(parameter, DecayAfter, parameter);
    }
}
