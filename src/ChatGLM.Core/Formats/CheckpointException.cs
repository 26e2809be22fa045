namespace ChatGLM.Formats;

/// <summary>A weight file that is damaged, cut off, hostile, or of another kind than its name says.</summary>
public sealed class CheckpointException : ChatGLMException
{
    /// <summary>Creates the error.</summary>
    /// <param name="path">The file.</param>
    /// <param name="problem">What is wrong (key or offset, expected and found) and what to do; follows the path in the message.</param>
    /// <param name="inner">The error underneath, if any.</param>
    public CheckpointException(string path, string problem, Exception? inner = null)
        : base($"{path}: {ErrorText.Bound(problem)}", inner) => Path = path;

    /// <summary>The file.</summary>
    public string Path { get; }
}
