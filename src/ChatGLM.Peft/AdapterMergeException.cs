namespace ChatGLM.Peft;

/// <summary>Adapters cannot be merged into the base, or combined with each other.</summary>
public sealed class AdapterMergeException : PeftException
{
    internal AdapterMergeException(string problem)
        : base(problem)
    {
    }
}
