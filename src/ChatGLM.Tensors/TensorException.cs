namespace ChatGLM.Tensors;

/// <summary>An operation was given tensors that it cannot work on: shapes, element types or backends that do not fit.</summary>
public sealed class TensorException : ChatGLMException
{
    /// <summary>Creates the error.</summary>
    /// <param name="operation">The operation, such as <c>Linear</c>.</param>
    /// <param name="problem">What was expected and what was found.</param>
    public TensorException(string operation, string problem)
        : base($"{operation}: {problem}") => Operation = operation;

    /// <summary>The operation that refused.</summary>
    public string Operation { get; }
}
