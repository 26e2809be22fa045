namespace ChatGLM.Peft;

/// <summary>The modules that a configuration names are not in the model, or cannot take an adapter.</summary>
public sealed class TargetModulesException : PeftException
{
    internal TargetModulesException(string problem)
        : base(problem)
    {
    }
}
