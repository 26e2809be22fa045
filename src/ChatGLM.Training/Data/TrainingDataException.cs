namespace ChatGLM.Training;

/// <summary>Training data is damaged, or not what it should be.</summary>
public sealed class TrainingDataException : ChatGLMException
{
    /// <summary>Creates the error.</summary>
    /// <param name="where">The file and record.</param>
    /// <param name="problem">What was expected, what was found and what to do.</param>
    public TrainingDataException(string where, string problem)
        : base($"{where}: {problem}")
    {
    }
}
