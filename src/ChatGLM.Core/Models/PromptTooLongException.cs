namespace ChatGLM.Models;

/// <summary>A prompt has more tokens than the model takes, so that there is no room for an answer.</summary>
public sealed class PromptTooLongException : ChatGLMException
{
    /// <summary>Creates the error.</summary>
    /// <param name="tokens">The tokens of the prompt.</param>
    /// <param name="limit">The most tokens that prompt and answer may have together.</param>
    /// <param name="field">The field of config.json that says so.</param>
    public PromptTooLongException(int tokens, int limit, string field)
        : base($"The prompt has {tokens} tokens, the model takes at most {limit} ({field}) for prompt and answer together. Shorten the prompt or the history.")
    {
        PromptTokens = tokens;
        LimitTokens = limit;
    }

    /// <summary>The tokens of the prompt.</summary>
    public int PromptTokens { get; }

    /// <summary>The most tokens that prompt and answer may have together.</summary>
    public int LimitTokens { get; }
}
