namespace ChatGLM.Tool;

/// <summary>A command line that can be parsed and means nothing: two flags that exclude each other, a value that cannot be.</summary>
/// <param name="message">What is wrong, and what to write instead.</param>
internal sealed class UsageException(string message) : ChatGLMException(message);
