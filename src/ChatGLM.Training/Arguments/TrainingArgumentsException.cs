namespace ChatGLM.Training;

/// <summary>A training argument has a value that it cannot have, or is not known.</summary>
public sealed class TrainingArgumentsException : ChatGLMException
{
    /// <summary>Creates the error.</summary>
    /// <param name="argument">The argument under its name on disk and on the command line, such as <c>per_device_train_batch_size</c>.</param>
    /// <param name="problem">What was expected, what was found and what to do.</param>
    public TrainingArgumentsException(string argument, string problem)
        : base($"{argument}: {problem}") => Argument = argument;

    /// <summary>The argument under its name on disk and on the command line.</summary>
    public string Argument { get; }
}
