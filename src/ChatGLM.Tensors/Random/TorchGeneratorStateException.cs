namespace ChatGLM.Tensors;

/// <summary>Bytes that were given as the saved state of a <see cref="TorchGenerator"/> are not one.</summary>
/// <param name="message">What is wrong and what was expected.</param>
public sealed class TorchGeneratorStateException(string message) : ChatGLMException(message);
