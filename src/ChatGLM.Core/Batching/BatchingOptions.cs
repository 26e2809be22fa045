using ChatGLM.Tensors;

namespace ChatGLM.Batching;

/// <summary>How a <see cref="BatchingEngine"/> shares a model between requests.</summary>
public sealed record BatchingOptions
{
    /// <summary>The requests that are answered at once, a row each in every step; more wait.</summary>
    public int MaxRequests { get; init; } = 16;

    /// <summary>The requests that may wait beyond <see cref="MaxRequests"/>; one more is refused with a <see cref="BatchQueueFullException"/>.</summary>
    public int MaxQueueLength { get; init; } = 256;

    /// <summary>The tokens of prompts that a step reads at most while answers are under way, each of which waits for it: a long prompt is read in pieces, between which the answers go on. While nobody waits
    /// pieces are eight times as long. (ChatGLM-6B's prompts attend to themselves in both directions and are read whole.)</summary>
    public int PrefillTokens { get; init; } = 64;

    /// <summary>The tokens whose keys and values there is room for, those of answers under way and those kept for reuse together; null for 2048 (or the model's positions, if fewer) for each of
    /// <see cref="MaxRequests"/> and <see cref="ReusedRequests"/>, within a quarter of the machine's memory. Memory is taken as it is needed.</summary>
    public int? CacheTokens { get; init; }

    /// <summary>The requests of before that there is room for beside those under way, where <see cref="CacheTokens"/> does not say it.</summary>
    public int ReusedRequests { get; init; } = 16;

    /// <summary>How keys and values are held; null for <see cref="ChatGLM.Models.ChatGLMForConditionalGeneration.CacheFormat"/> of the model.</summary>
    public KeyValueFormat? CacheFormat { get; init; }

    /// <summary>Whether a prompt that begins as an earlier one did goes on from its keys and values.</summary>
    public bool ReusesPrefixes { get; init; } = true;

    /// <summary>
    /// Whether an answer has the same bits whatever else is answered at the same time or was before. With group-quantized weights it has so for nothing. Sums over other weights, and those of adapters,
    /// hang on the number of rows: answers then go through the model at most <see cref="Backend.FewRowsRange"/> at a time, and what an answer wrote is not reused, only prompts.
    /// </summary>
    public bool Reproducible { get; init; } = true;

    /// <summary>How requests reach their adapters; null where none may ask for one.</summary>
    public BatchAdapters? Adapters { get; init; }

    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxRequests, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(MaxQueueLength);
        ArgumentOutOfRangeException.ThrowIfNegative(ReusedRequests);
        ArgumentOutOfRangeException.ThrowIfLessThan(PrefillTokens, 1);
        if (CacheTokens is { } tokens)
            ArgumentOutOfRangeException.ThrowIfLessThan(tokens, KeyValuePageLayout.Positions, nameof(CacheTokens));
        if (CacheFormat is { } format && !Enum.IsDefined(format))
            throw new ArgumentOutOfRangeException(nameof(CacheFormat), CacheFormat, "There is no such format.");
    }
}
