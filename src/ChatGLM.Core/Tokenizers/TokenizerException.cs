namespace ChatGLM.Tokenizers;

/// <summary>A tokenizer file is damaged, missing or of a kind that is not known, or a token or id does not belong to its vocabulary.</summary>
public sealed class TokenizerException : ChatGLMException
{
    /// <summary>Creates the error.</summary>
    /// <param name="message">What is wrong, where, expected and found, and what to do.</param>
    /// <param name="inner">The error underneath, if any.</param>
    public TokenizerException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }
}
