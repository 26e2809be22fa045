using System.Net;
using Microsoft.Extensions.Logging;

namespace ChatGLM.Hub;

/// <summary>Where models come from and how they are downloaded. What is null comes from the variables that Python's huggingface_hub reads.</summary>
public sealed record HubOptions
{
    /// <summary>The hub. Names of repos differ between hubs.</summary>
    public HubSource Source { get; init; }

    /// <summary>The hub's address, to use a mirror; null for HF_ENDPOINT (MODELSCOPE_ENDPOINT), else the hub's own.</summary>
    public string? Endpoint { get; init; }

    /// <summary>
    /// The access token for private and gated repos, sent to the hub itself and to no other host; empty for none; null for HF_TOKEN, else the
    /// file that Python's login wrote (MODELSCOPE_API_TOKEN for ModelScope).
    /// </summary>
    public string? Token { get; init; }

    /// <summary>
    /// The cache; null for where Python keeps it (HF_HUB_CACHE, HF_HOME/hub, ~/.cache/huggingface/hub), so that both share one copy. Repos of
    /// ModelScope go into MODELSCOPE_CACHE, else ~/.cache/modelscope/hub, in the same layout.
    /// </summary>
    public string? CacheDir { get; init; }

    /// <summary>Whether only the cache may be used. HF_HUB_OFFLINE=1 says the same for all.</summary>
    public bool LocalFilesOnly { get; init; }

    /// <summary>How many files are downloaded at a time.</summary>
    public int MaxWorkers { get; init; } = 8;

    /// <summary>How often a request that failed is sent again before giving up. A download that moves on starts counting anew.</summary>
    public int MaxRetries { get; init; } = 5;

    /// <summary>How long a server may stay silent.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>The proxy; null for the system's (HTTPS_PROXY and the like).</summary>
    public IWebProxy? Proxy { get; init; }

    /// <summary>Told how far a download is, at most ten times a second.</summary>
    public IProgress<HubProgress>? Progress { get; init; }

    /// <summary>Told of retries, and of a cached snapshot used because the hub could not be reached.</summary>
    public ILogger? Logger { get; init; }

    /// <summary>Where variables are read from: the process's own, except in tests.</summary>
    internal Func<string, string?> Environment { get; init; } = System.Environment.GetEnvironmentVariable;

    /// <summary>How to wait before another attempt: tests do not.</summary>
    internal Func<TimeSpan, CancellationToken, Task> Delay { get; init; } = Task.Delay;

    /// <summary>The free bytes of the disk that a folder is on; null where the system does not tell.</summary>
    internal Func<string, long?> FreeSpace { get; init; } = HubCache.FreeSpaceOf;

    /// <summary>Whether to try links before copies.</summary>
    internal bool UseLinks { get; init; } = true;

    /// <summary>The options without the token, which must not reach a log.</summary>
    public override string ToString() =>
        $"{nameof(HubOptions)} {{ Source = {Source}, Endpoint = {Endpoint}, Token = {(string.IsNullOrEmpty(Token) ? "none" : "***")}, CacheDir = {CacheDir}, LocalFilesOnly = {LocalFilesOnly} }}";
}
