using ChatGLM.Hub;

// A process of its own for the tests that kill a download, or run two at once: ENDPOINT CACHE REPO; prints the snapshot's folder.
if (args is not [var endpoint, var cache, var repo])
{
    Console.Error.WriteLine("usage: ENDPOINT CACHE REPO");
    return 2;
}

using var client = new HubClient(new HubOptions { Endpoint = endpoint, CacheDir = cache, Token = "", MaxWorkers = 3 });
Console.WriteLine(await client.SnapshotDownloadAsync(repo, parts: SnapshotParts.Config | SnapshotParts.Weights));
return 0;
