using ChatGLM.Hub;
using ChatGLM.Tensors;

namespace ChatGLM.Snapshots;

/// <summary>How a snapshot is made from another one.</summary>
public sealed record SnapshotWriteOptions
{
    /// <summary>The least that <see cref="MemoryLimit"/> can be.</summary>
    public const long SmallestMemoryLimit = 64L << 20;

    /// <summary>The most bytes in a weight file, as transformers writes it: <c>10GB</c> is 10^10 bytes, <c>10GiB</c> is 10 * 2^30.</summary>
    public string MaxShardSize { get; init; } = "10GB";

    /// <summary>The bytes that pieces of tensors may take while they are read, computed and written; a whole tensor is never in memory. What the program needs besides is about 100 MiB.</summary>
    public long MemoryLimit { get; init; } = 1L << 30;

    /// <summary>What computes; null for all cores.</summary>
    public CpuBackend? Backend { get; init; }

    /// <summary>The branch, tag or commit of a repo; null for the hub's default.</summary>
    public string? Revision { get; init; }

    /// <summary>How a repo that the cache does not hold is downloaded; null for the defaults.</summary>
    public HubOptions? Hub { get; init; }

    /// <summary>How much room the disk of a folder has; null where that cannot be told.</summary>
    internal Func<string, long?> FreeSpace { get; init; } = HubCache.FreeSpaceOf;

    /// <summary>The bytes that are read at a time: large enough to keep a disk and all cores busy, small enough to be handed on soon. Tests take small ones.</summary>
    internal long PieceBytes { get; init; } = 16L << 20;
}
