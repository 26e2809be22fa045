namespace ChatGLM.Extensions.AI;

/// <summary>A request asks for something that the model or this client cannot do. Nothing was computed.</summary>
public sealed class UnsupportedOptionException : ChatGLMException
{
    internal UnsupportedOptionException(string option, string found, string expected)
        : base($"The option '{option}' is {found}; expected {expected}.")
    {
        Option = option;
    }

    /// <summary>The name of the option, such as <c>ResponseFormat</c>.</summary>
    public string Option { get; }
}
