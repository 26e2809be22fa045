using ChatGLM.Generation;
using ChatGLM.Tensors;

namespace ChatGLM.Models;

/// <summary>What one call of generate takes besides prompts and options.</summary>
/// <param name="Processors">The caller's own processors.</param>
/// <param name="Random">Where sampling draws from when the options give no seed.</param>
/// <param name="OnToken">Called with row and token as soon as one is chosen.</param>
/// <param name="Decoder">Text of tokens, for stop strings.</param>
internal sealed record GenerationCall(
    IReadOnlyList<LogitsProcessor>? Processors = null, TorchGenerator? Random = null, Action<int, int>? OnToken = null, TokenDecoder? Decoder = null)
{
    /// <summary>The tokens that a cache holds already: the processors see them too.</summary>
    public int[] Past { get; init; } = [];
}
