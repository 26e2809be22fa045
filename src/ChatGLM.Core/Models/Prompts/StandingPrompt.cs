namespace ChatGLM.Models;

/// <summary>What stands before the tokens of a pass, or of those in a cache.</summary>
/// <param name="Keys">Keys and values in every layer; null for none.</param>
/// <param name="Tokens">Virtual tokens; null for none.</param>
internal readonly record struct StandingPrompt(KeyValuePrompt? Keys, EmbeddingPrompt? Tokens)
{
    /// <summary>Keys of each layer that no token of the pass has made.</summary>
    public int KeyLength => Keys?.Length ?? 0;

    /// <summary>Tokens that run through the layers and are not in the ids.</summary>
    public int TokenLength => Tokens?.Length ?? 0;

    /// <summary>The entries of a cache that are none of the caller's tokens.</summary>
    public int Length => KeyLength + TokenLength;
}
