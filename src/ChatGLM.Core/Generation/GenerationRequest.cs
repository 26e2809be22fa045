using ChatGLM.Tensors;

namespace ChatGLM.Generation;

/// <summary>One call of <see cref="Generator"/>, beside the session.</summary>
internal sealed record GenerationRequest
{
    /// <summary>[rows][length] the prompts, padded on the left to one length: what the session has been fed.</summary>
    public required IReadOnlyList<int[]> Prompts { get; init; }

    /// <summary>The options.</summary>
    public required GenerationConfig Config { get; init; }

    /// <summary>[rows] the padding tokens at each prompt's start; null for none.</summary>
    public IReadOnlyList<int>? PaddingTokens { get; init; }

    /// <summary>The caller's own processors, after those of the options.</summary>
    public IReadOnlyList<LogitsProcessor> Processors { get; init; } = [];

    /// <summary>Where sampling draws from when the options give no seed; null for a new one.</summary>
    public TorchGenerator? Random { get; init; }

    /// <summary>Called with the row and the token as soon as one is chosen; not in a beam search, where it may yet change.</summary>
    public Action<int, int>? OnToken { get; init; }

    /// <summary>Text of tokens, which stop strings need.</summary>
    public TokenDecoder? Decoder { get; init; }
}
