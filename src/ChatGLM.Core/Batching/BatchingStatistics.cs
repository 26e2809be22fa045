namespace ChatGLM.Batching;

/// <summary>What an engine does and has done: a snapshot between two steps.</summary>
public sealed record BatchingStatistics
{
    /// <summary>The requests that are being answered.</summary>
    public int Running { get; init; }

    /// <summary>The requests that wait.</summary>
    public int Waiting { get; init; }

    /// <summary>The tokens that there is room for.</summary>
    public int CacheTokens { get; init; }

    /// <summary>The tokens whose room is taken, by answers under way and by what is kept for reuse.</summary>
    public int UsedCacheTokens { get; init; }

    /// <summary>Those of <see cref="UsedCacheTokens"/> that are only kept for reuse, and go when room is needed.</summary>
    public int IdleCacheTokens { get; init; }

    /// <summary>The memory of all keys and values in bytes.</summary>
    public long CacheBytes { get; init; }

    /// <summary>Tokens of prompts that were read.</summary>
    public long PrefilledTokens { get; init; }

    /// <summary>Tokens of prompts that were not read again.</summary>
    public long ReusedTokens { get; init; }

    /// <summary>Tokens that were generated.</summary>
    public long GeneratedTokens { get; init; }

    /// <summary>Passes through the model.</summary>
    public long Passes { get; init; }

    /// <summary>How often an answer had to give its room to an older one, to be read again later.</summary>
    public long Preemptions { get; init; }
}
