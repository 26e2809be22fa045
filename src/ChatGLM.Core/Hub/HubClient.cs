using System.Globalization;
using ChatGLM.Formats;
using ChatGLM.Snapshots;
using Microsoft.Extensions.Logging;

namespace ChatGLM.Hub;

/// <summary>
/// Downloads snapshots from a hub into the cache that Python's huggingface_hub uses, in its layout, so that both share one copy. Interrupted
/// downloads are taken up where they stopped, files are checked against the hub's checksums, and several processes may download at once.
/// </summary>
/// <remarks>One client may be used from many threads.</remarks>
public sealed partial class HubClient : IDisposable
{
    private readonly HubSettings _settings;
    private readonly Lazy<(IModelHub Hub, HubHttp Http)> _connection;

    /// <summary>Creates a client. Nothing is sent until something is asked for.</summary>
    /// <param name="options">Null for the defaults.</param>
    public HubClient(HubOptions? options = null)
        : this(new HubSettings(options ?? new HubOptions()))
    {
    }

    internal HubClient(HubSettings settings)
    {
        _settings = settings;
        _connection = new(Connect);
    }

    private HubOptions Options => _settings.Options;

    /// <summary>
    /// Brings a snapshot into the cache, as far as it is not there, and returns its folder. The hub is asked for the commit that the revision is at;
    /// when it cannot be reached, a snapshot that the cache holds is used.
    /// </summary>
    /// <param name="repoId">The repo, such as <c>THUDM/chatglm3-6b</c>.</param>
    /// <param name="revision">A branch, a tag or a commit; null for the hub's own default.</param>
    /// <param name="parts">Which files.</param>
    /// <param name="cancellationToken">Stops the download. What has arrived is kept for the next time.</param>
    /// <returns>The folder of the snapshot.</returns>
    /// <exception cref="RepositoryNotFoundException">The hub has no such repo, or it is private.</exception>
    /// <exception cref="RevisionNotFoundException">The repo has no such revision.</exception>
    /// <exception cref="HubAccessDeniedException">The repo is gated, or the token is refused.</exception>
    /// <exception cref="HubFileNotFoundException">The repo lacks what a model needs.</exception>
    /// <exception cref="HubOfflineException">Nothing may be downloaded, and the cache does not hold the parts.</exception>
    /// <exception cref="HubUnavailableException">The hub cannot be reached or keeps failing, and the cache does not hold the parts.</exception>
    /// <exception cref="HubIntegrityException">A file came with other bytes than announced, twice.</exception>
    /// <exception cref="HubDiskFullException">There is no room.</exception>
    /// <exception cref="HubCacheException">The cache cannot be written.</exception>
    /// <exception cref="HubProtocolException">The answers are not those of a hub.</exception>
    public Task<string> SnapshotDownloadAsync(
        string repoId, string? revision = null, SnapshotParts parts = SnapshotParts.Model, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(repoId);
        return RunAsync(repoId, revision, parts, fileName: null, cancellationToken);
    }

    /// <summary>Brings one file of a repo into the cache and returns its path. Errors are those of <see cref="SnapshotDownloadAsync"/>.</summary>
    /// <param name="repoId">The repo.</param>
    /// <param name="fileName">The file's name in the repo.</param>
    /// <param name="revision">A branch, a tag or a commit; null for the hub's own default.</param>
    /// <param name="cancellationToken">Stops the download.</param>
    public async Task<string> DownloadFileAsync(string repoId, string fileName, string? revision = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(repoId);
        ArgumentException.ThrowIfNullOrEmpty(fileName);
        RequirePlain(repoId, fileName);
        var folder = await RunAsync(repoId, revision, SnapshotParts.None, fileName, cancellationToken).ConfigureAwait(false);
        return Path.Combine([folder, .. fileName.Split('/')]);
    }

    /// <summary>Closes the connections.</summary>
    public void Dispose()
    {
        if (_connection.IsValueCreated)
            _connection.Value.Http.Dispose();
    }

    private (IModelHub Hub, HubHttp Http) Connect()
    {
        IModelHub hub = _settings.IsModelScope
            ? new ModelScopeHub(_settings.Endpoint(), _settings.Token())
            : new HuggingFaceHub(_settings.Endpoint(), _settings.Token());
        return (hub, new HubHttp(hub, Options));
    }

    private async Task<string> RunAsync(string repoId, string? revision, SnapshotParts parts, string? fileName, CancellationToken cancellationToken)
    {
        var repository = RepositoryId.Parse(repoId);
        revision ??= _settings.DefaultRevision;
        if (!RepositoryId.IsRevision(revision))
            throw new RevisionNotFoundException(repoId, $"'{revision}' is not the name of a revision.");
        var cached = SnapshotLocator.FindInCache(repoId, revision, _settings.CacheDir) is { } folder
            && (fileName is null ? SnapshotPlan.IsComplete(folder, parts) : File.Exists(Path.Combine(folder, fileName))) ? folder : null;
        if (_settings.IsOffline)
        {
            return cached ?? throw new HubOfflineException(
                repoId, $"the cache '{_settings.CacheDir}' does not hold {fileName ?? parts.ToString()} of the revision '{revision}', and nothing may be downloaded (LocalFilesOnly or HF_HUB_OFFLINE).");
        }

        try
        {
            // A whole commit never changes: what the cache holds of it needs no asking.
            if (cached is not null && Path.GetFileName(cached) == revision)
                return cached;
            return await DownloadAsync(repository, revision, parts, fileName, cancellationToken).ConfigureAwait(false);
        }
        catch (HubUnavailableException e) when (cached is not null)
        {
            if (Options.Logger is { } logger)
                LogCached(logger, repoId, cached, e.Message);
            return cached;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw IsDiskFull(e)
                ? new HubDiskFullException(repoId, $"the disk of the cache '{_settings.CacheDir}' is full. Make room, or point HF_HOME at another; what has arrived is kept.", e)
                : new HubCacheException(repoId, $"the cache '{_settings.CacheDir}' cannot be written: {e.Message} Correct its rights, or point HF_HOME at another folder.", e);
        }
    }

    private async Task<string> DownloadAsync(RepositoryId id, string revision, SnapshotParts parts, string? fileName, CancellationToken cancellationToken)
    {
        var (hub, http) = _connection.Value;
        var retry = new RetryPolicy(Options, id.Text);
        var repository = await retry.RunAsync("asking for the repo", () => hub.GetRepositoryAsync(http, id, revision, cancellationToken), cancellationToken).ConfigureAwait(false);
        var cache = new HubCache(_settings.CacheDir, id, Options.UseLinks);
        cache.Prepare(repository.Commit);
        var meter = new TransferMeter(Options.Progress, TimeProvider.System);
        var downloader = new BlobDownloader(http, hub, cache, repository, retry, meter);
        var plan = SnapshotPlan.From(parts, repository.Files.ContainsKey);
        if (plan.Problem is { } problem)
            throw new HubFileNotFoundException(id.Text, $"the revision '{revision}' has {problem}. Is this a ChatGLM model in the Hugging Face format?");

        var names = fileName is null ? plan.Files.ToList() : [fileName];
        if (plan.Index is { } index)
        {
            await EnsureAsync([index]).ConfigureAwait(false);
            names.Remove(index);
            names.AddRange(ShardIndex.Read(cache.PointerPath(repository.Commit, index)).Files);
        }

        await EnsureAsync(names).ConfigureAwait(false);
        foreach (var missing in plan.Missing)
            cache.MarkMissing(repository.Commit, missing);
        cache.SetRef(revision, repository.Commit);
        return cache.SnapshotFolder(repository.Commit);

        async Task EnsureAsync(IReadOnlyList<string> wanted)
        {
            var files = new RemoteFile[wanted.Count];
            await EachAsync(wanted.Count, async (i, token) => files[i] = await DescribeAsync(wanted[i], token).ConfigureAwait(false)).ConfigureAwait(false);
            RequireRoom(id, cache, repository.Commit, files);
            meter.Expect(files.Length, files.Sum(f => f.Size));
            // The largest first: the last worker to finish should not be the one that began with it.
            Array.Sort(files, (a, b) => b.Size.CompareTo(a.Size));
            await EachAsync(files.Length, async (i, token) => await downloader.EnsureAsync(files[i], token).ConfigureAwait(false)).ConfigureAwait(false);
        }

        Task<RemoteFile> DescribeAsync(string name, CancellationToken token)
        {
            RequirePlain(id.Text, name);
            return repository.Files.ContainsKey(name)
                ? retry.RunAsync($"asking for '{name}'", () => hub.GetFileAsync(http, repository, name, token), token)
                : throw new HubFileNotFoundException(id.Text, $"the revision '{revision}' has no file '{name}'{(plan.Index is null ? "" : $", which {plan.Index} names")}.");
        }

        Task EachAsync(int count, Func<int, CancellationToken, ValueTask> body) => Parallel.ForEachAsync(
            Enumerable.Range(0, count), new ParallelOptions { MaxDegreeOfParallelism = Options.MaxWorkers, CancellationToken = cancellationToken }, body);
    }

    private static void RequirePlain(string repoId, string name)
    {
        if (HubCache.ProblemWith(name) is { } problem)
            throw new HubProtocolException(repoId, $"the file name '{name}' {problem}. Nothing was downloaded.");
    }

    /// <summary>Says so before twelve gigabytes have arrived, not after eleven.</summary>
    private void RequireRoom(RepositoryId id, HubCache cache, string commit, RemoteFile[] files)
    {
        var needed = 0L;
        foreach (var file in files)
        {
            if (cache.HasFile(commit, file) || cache.HasBlob(file))
                continue;
            var partial = new FileInfo(cache.IncompletePath(file.Etag));
            needed = checked(needed + file.Size - (partial.Exists ? Math.Min(partial.Length, file.Size) : 0));
        }

        if (needed > 0 && Options.FreeSpace(_settings.CacheDir) is { } free && free < needed)
        {
            throw new HubDiskFullException(id.Text, string.Create(
                CultureInfo.InvariantCulture,
                $"{needed:N0} more bytes are needed, the disk of the cache '{_settings.CacheDir}' has {free:N0}. Make room, or point HF_HOME at another disk."));
        }
    }

    private static bool IsDiskFull(Exception e)
    {
        const int NoSpace = 28; // ENOSPC
        const int WindowsDiskFull = unchecked((int)0x80070070);
        const int WindowsHandleDiskFull = unchecked((int)0x80070027);
        return e.HResult is NoSpace or WindowsDiskFull or WindowsHandleDiskFull;
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{RepoId}: using the cached snapshot {Folder}: {Problem}")]
    private static partial void LogCached(ILogger logger, string repoId, string folder, string problem);
}
