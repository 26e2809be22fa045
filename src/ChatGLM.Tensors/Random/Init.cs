namespace ChatGLM.Tensors;

/// <summary>Initial values of parameters, as <c>torch.nn.init</c> and the modules' own <c>reset_parameters</c> draw them.</summary>
public static class Init
{
    /// <summary>As <c>nn.init.kaiming_uniform_(weight, a)</c> with fan-in and the leaky ReLU gain; peft's lora_A uses a = sqrt(5).</summary>
    /// <param name="weight">[out, in] the values, row by row.</param>
    /// <param name="fanIn">The number of inputs of the layer.</param>
    /// <param name="a">The negative slope of the leaky ReLU that follows.</param>
    /// <param name="generator">Where the draws come from.</param>
    public static void KaimingUniform(Span<float> weight, int fanIn, double a, TorchGenerator generator)
    {
        ArgumentNullException.ThrowIfNull(generator);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(fanIn);
        var gain = Math.Sqrt(2 / (1 + a * a));
        var bound = Math.Sqrt(3) * (gain / Math.Sqrt(fanIn));
        generator.Uniform(weight, -bound, bound);
    }

    /// <summary>As <c>nn.init.xavier_uniform_(weight, gain)</c>.</summary>
    /// <param name="weight">[out, in] the values, row by row.</param>
    /// <param name="fanIn">The number of inputs of the layer.</param>
    /// <param name="fanOut">The number of outputs of the layer.</param>
    /// <param name="generator">Where the draws come from.</param>
    /// <param name="gain">The scale.</param>
    public static void XavierUniform(Span<float> weight, int fanIn, int fanOut, TorchGenerator generator, double gain = 1)
    {
        ArgumentNullException.ThrowIfNull(generator);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(fanIn);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(fanOut);
        var bound = Math.Sqrt(3) * (gain * Math.Sqrt(2.0 / ((double)fanIn + fanOut)));
        generator.Uniform(weight, -bound, bound);
    }

    /// <summary>As a new <c>nn.Linear(in, out)</c>: the weight, then the bias.</summary>
    /// <param name="weight">[out, in] the weight, row by row.</param>
    /// <param name="bias">[out] the bias; empty when the layer has none.</param>
    /// <param name="inFeatures">The number of inputs.</param>
    /// <param name="generator">Where the draws come from.</param>
    public static void Linear(Span<float> weight, Span<float> bias, int inFeatures, TorchGenerator generator)
    {
        KaimingUniform(weight, inFeatures, Math.Sqrt(5), generator);
        var bound = 1 / Math.Sqrt(inFeatures);
        generator.Uniform(bias, -bound, bound);
    }

    /// <summary>As a new <c>nn.Embedding(num, dim)</c> without a padding index: standard normal values.</summary>
    /// <param name="weight">[num, dim] the weight, row by row.</param>
    /// <param name="generator">Where the draws come from.</param>
    public static void Embedding(Span<float> weight, TorchGenerator generator)
    {
        ArgumentNullException.ThrowIfNull(generator);
        generator.Normal(weight);
    }
}
