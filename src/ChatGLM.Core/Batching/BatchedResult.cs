using ChatGLM.Generation;

namespace ChatGLM.Batching;

/// <summary>A complete answer.</summary>
/// <param name="Generation">The tokens, one sequence.</param>
/// <param name="CachedTokens">The tokens of the prompt that were not read again, because an earlier prompt began with them.</param>
public sealed record BatchedResult(GenerationResult Generation, int CachedTokens);
