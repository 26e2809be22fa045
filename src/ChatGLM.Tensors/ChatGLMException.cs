namespace ChatGLM;

/// <summary>
/// The base of every error that these packages raise on purpose. The message says what is wrong, where (file, key, step), what was
/// expected, what was found, and what to do next.
/// </summary>
public abstract class ChatGLMException : Exception
{
    /// <summary>Creates the error.</summary>
    /// <param name="message">What is wrong, where, expected and found, and what to do.</param>
    /// <param name="inner">The error underneath, if any.</param>
    protected ChatGLMException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }
}
