namespace ChatGLM.Chat;

/// <summary>The model wrote a tool call that does not follow the grammar. Nothing of it was run.</summary>
public sealed class ToolCallException : ChatGLMException
{
    /// <summary>Creates the error.</summary>
    /// <param name="message">What is wrong, where, expected and found, and what to do.</param>
    /// <param name="inner">The error underneath, if any.</param>
    public ToolCallException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }
}
