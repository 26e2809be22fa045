namespace ChatGLM.Models;

/// <summary>A model was given ids, a mask, positions or labels that do not fit it or each other.</summary>
public sealed class ModelInputException : ChatGLMException
{
    internal ModelInputException(string input, string problem)
        : base($"{input}: {problem}") => Input = input;

    /// <summary>The input that is wrong, such as <c>AttentionMask</c>.</summary>
    public string Input { get; }
}
