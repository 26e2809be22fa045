namespace ChatGLM.Peft;

/// <summary>Rows of one batch cannot go through the adapters that were named for them: there are more or fewer names than rows, or the adapters do not allow it.</summary>
public sealed class AdapterRowsException : PeftException
{
    internal AdapterRowsException(string problem)
        : base(problem)
    {
    }
}
