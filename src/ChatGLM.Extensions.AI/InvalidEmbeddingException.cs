using System.Globalization;

namespace ChatGLM.Extensions.AI;

/// <summary>The model's output for a text is zero everywhere or holds NaN or infinity, so that it has no direction.</summary>
public sealed class InvalidEmbeddingException : ChatGLMException
{
    internal InvalidEmbeddingException(float norm)
        : base(string.Create(
            CultureInfo.InvariantCulture, $"The last layer's output has the length {norm}; expected a finite number above 0. Check the weights, or load them as Float32."))
    {
    }
}
