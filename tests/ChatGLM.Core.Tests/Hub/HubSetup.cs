using System.Collections.Concurrent;
using ChatGLM.Core.Tests.Models;
using ChatGLM.Hub;

namespace ChatGLM.Core.Tests.Hub;

/// <summary>A test hub, an empty cache, and clients of them that do not wait between attempts and see no variables of the machine.</summary>
internal sealed class HubSetup : IDisposable
{
    public const string Repo = "THUDM/chatglm-test";
    public const SnapshotParts Parts = SnapshotParts.Config | SnapshotParts.Weights;

    public HubSetup(TestRepository? repository = null)
    {
        Repository = repository ?? TestRepository.Small();
        Hub.Repositories[Repo] = Repository;
        Options = new HubOptions
        {
            Endpoint = Hub.Endpoint,
            CacheDir = Cache.Path,
            Environment = name => Variables.GetValueOrDefault(name),
            MaxWorkers = 3,
            Timeout = TimeSpan.FromSeconds(20),
            Delay = (delay, token) =>
            {
                Delays.Enqueue(delay);
                return Task.Delay(TimeSpan.FromMilliseconds(1), token);
            },
        };
    }

    public TestHub Hub { get; } = new();

    public TestRepository Repository { get; }

    public TemporaryFolder Cache { get; } = new();

    public Dictionary<string, string> Variables { get; } = [];

    public HubOptions Options { get; set; }

    public ConcurrentQueue<TimeSpan> Delays { get; } = new();

    public string Store => Path.Combine(Cache.Path, "models--THUDM--chatglm-test");

    public string Blob(string name) => Path.Combine(Store, "blobs", Repository.BlobName(name));

    public string[] BlobNames => [.. Directory.GetFiles(Path.Combine(Store, "blobs")).Select(f => Path.GetFileName(f))];

    public async Task<string> DownloadAsync(string? revision = null, SnapshotParts parts = Parts, CancellationToken cancellationToken = default)
    {
        using var client = new HubClient(Options);
        return await client.SnapshotDownloadAsync(Repo, revision, parts, cancellationToken);
    }

    /// <summary>Fails each download of content that a rule names, so many times.</summary>
    public void FailContent(int times, TestFault fault)
    {
        var left = times;
        Hub.Fault = request => request.IsContent && request.IsStore && Interlocked.Decrement(ref left) >= 0 ? fault : null;
    }

    public void ShouldHold(string folder, params string[] names)
    {
        Directory.GetFiles(folder).Select(Path.GetFileName).Should().BeEquivalentTo(names);
        foreach (var name in names)
            File.ReadAllBytes(Path.Combine(folder, name)).AsSpan().SequenceEqual(Repository.Files[name]).Should().BeTrue("the bytes of {0} are the hub's", name);
        Directory.EnumerateFiles(Store, "*.incomplete", SearchOption.AllDirectories).Should().BeEmpty();
        Directory.EnumerateFiles(Store, "*.partial", SearchOption.AllDirectories).Should().BeEmpty();
    }

    public void Dispose()
    {
        Hub.Dispose();
        Cache.Dispose();
    }
}
