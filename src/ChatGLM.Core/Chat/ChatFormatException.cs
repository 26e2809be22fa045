namespace ChatGLM.Chat;

/// <summary>A chat cannot be put into the form that a generation understands, such as a role that it does not know.</summary>
public sealed class ChatFormatException : ChatGLMException
{
    /// <summary>Creates the error.</summary>
    /// <param name="message">What is wrong, where, expected and found, and what to do.</param>
    /// <param name="inner">The error underneath, if any.</param>
    public ChatFormatException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }
}
