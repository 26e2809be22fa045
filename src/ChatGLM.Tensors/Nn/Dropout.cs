namespace ChatGLM.Tensors;

/// <summary>Zeroes each element with a probability while training and scales the others up (<c>torch.nn.Dropout</c>).</summary>
/// <param name="probability">The probability of zeroing, in [0, 1).</param>
/// <param name="generator">Where random numbers come from.</param>
public sealed class Dropout(float probability, TorchGenerator generator) : Module
{
    /// <summary>The probability of zeroing.</summary>
    public float Probability { get; } = probability is >= 0 and < 1
        ? probability
        : throw new ArgumentOutOfRangeException(nameof(probability), probability, "A dropout probability is at least 0 and less than 1.");

    /// <summary>The same shape; x itself when not training.</summary>
    public Tensor Forward(Tensor x) => Functional.Dropout(x, Probability, generator, Training);
}
