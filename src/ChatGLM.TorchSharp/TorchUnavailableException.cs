namespace ChatGLM.TorchSharp;

/// <summary>There is no libtorch that can be loaded, or not the device that was asked for.</summary>
public sealed class TorchUnavailableException : ChatGLMException
{
    /// <summary>Creates the error.</summary>
    /// <param name="message">What was asked for, what was found, and what to do.</param>
    /// <param name="inner">What the loader said.</param>
    public TorchUnavailableException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }
}
