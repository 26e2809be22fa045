namespace ChatGLM.Tensors;

/// <summary>The saved state of an optimizer does not belong to the parameters or to the kind of the optimizer that should go on from it.</summary>
public sealed class OptimizerStateException : ChatGLMException
{
    /// <summary>Creates the error.</summary>
    /// <param name="optimizer">The optimizer, such as <c>AdamW</c>.</param>
    /// <param name="problem">The entry, what was expected and what was found.</param>
    public OptimizerStateException(string optimizer, string problem)
        : base($"{optimizer}: {problem}")
    {
    }
}
