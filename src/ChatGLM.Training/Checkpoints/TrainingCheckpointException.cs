namespace ChatGLM.Training;

/// <summary>A checkpoint of a run is damaged, incomplete or of another run.</summary>
public sealed class TrainingCheckpointException : ChatGLMException
{
    /// <summary>Creates the error.</summary>
    /// <param name="path">The folder or file.</param>
    /// <param name="problem">What was expected, what was found and what to do.</param>
    /// <param name="inner">The error underneath, if any.</param>
    public TrainingCheckpointException(string path, string problem, Exception? inner = null)
        : base($"{path}: {problem}", inner)
    {
    }
}
