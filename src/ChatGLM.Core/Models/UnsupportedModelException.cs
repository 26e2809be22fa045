namespace ChatGLM.Models;

/// <summary>A snapshot holds a model, or a form of one, that this library cannot run.</summary>
public sealed class UnsupportedModelException : ChatGLMException
{
    internal const string Supported = "Supported are ChatGLM-6B, ChatGLM2-6B, ChatGLM3-6B and what shares their code (-32k, -base, CodeGeeX2), as "
        + "ChatGLMForConditionalGeneration or, of the second and third generation, ChatGLMForSequenceClassification.";

    internal UnsupportedModelException(string source, string found)
        : base($"{source}: {found} {Supported}")
    {
    }
}
