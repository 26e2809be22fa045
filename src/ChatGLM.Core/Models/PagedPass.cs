using ChatGLM.Tensors;

namespace ChatGLM.Models;

/// <summary>A pass over rows that are one token each, of any number of sequences, which keep their keys and values in pages.</summary>
internal sealed class PagedPass
{
    /// <summary>[rows] the token ids; any id for a row of nobody or of a virtual token.</summary>
    public required long[] Ids { get; init; }

    /// <summary>[rows, sections] the positions.</summary>
    public required long[] Positions { get; init; }

    /// <summary>The sequences.</summary>
    public required PagedBatch Batch { get; init; }

    /// <summary>Rows that are virtual tokens: the first row, the first virtual token there, and how many.</summary>
    public IReadOnlyList<(int Row, EmbeddingPrompt Prompt, int First, int Count)> VirtualTokens { get; init; } = [];

    /// <summary>The rows whose scores are wanted, rising.</summary>
    public required int[] Wanted { get; init; }

    /// <summary>Whether a row's scores may not hang on how many rows are wanted.</summary>
    public bool IsReproducible { get; init; }

    /// <summary>Looked at before every layer.</summary>
    public CancellationToken CancellationToken { get; init; }
}
