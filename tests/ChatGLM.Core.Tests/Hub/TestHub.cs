using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace ChatGLM.Core.Tests.Hub;

/// <summary>
/// A hub on the loopback, over plain sockets so that it can fail in every way: huggingface.co's API on one port, the store that large files are
/// redirected to on another (another host, as far as the token is concerned), ModelScope's API beside them.
/// </summary>
internal sealed class TestHub : IDisposable
{
    private readonly TcpListener _hub = new(IPAddress.Loopback, 0);
    private readonly TcpListener _store = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();

    public TestHub()
    {
        _hub.Start();
        _store.Start();
        _ = AcceptAsync(_hub, isStore: false);
        _ = AcceptAsync(_store, isStore: true);
    }

    public Dictionary<string, TestRepository> Repositories { get; } = new(StringComparer.Ordinal);

    public ConcurrentQueue<TestRequest> Requests { get; } = new();

    public IEnumerable<TestRequest> Downloads => Requests.Where(r => r.IsContent);

    /// <summary>Decides what goes wrong with a request; null for nothing.</summary>
    public Func<TestRequest, TestFault?> Fault { get; set; } = _ => null;

    /// <summary>How fast content is sent; 0 for at once.</summary>
    public int BytesPerSecond { get; set; }

    public string Endpoint => $"http://{_hub.LocalEndpoint}";

    private string StoreAddress => $"http://{_store.LocalEndpoint}";

    /// <summary>The hub is away from here on.</summary>
    public void Dispose()
    {
        _stop.Cancel();
        _hub.Stop();
        _store.Stop();
    }

    private async Task AcceptAsync(TcpListener listener, bool isStore)
    {
        try
        {
            while (true)
            {
                var socket = await listener.AcceptSocketAsync(_stop.Token);
                _ = Task.Run(() => ServeAsync(socket, isStore));
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // the test is over
        }
    }

    private async Task ServeAsync(Socket socket, bool isStore)
    {
        using (socket)
        {
            try
            {
                if (await ReadRequestAsync(socket, isStore) is not { } request)
                    return;
                Requests.Enqueue(request);
                var fault = Fault(request);
                if (fault?.IsSilent == true)
                {
                    await socket.ReceiveAsync(new byte[1]);
                    return;
                }

                await AnswerAsync(socket, request, fault ?? new TestFault());
                socket.Shutdown(SocketShutdown.Both);
            }
            catch (Exception e) when (e is SocketException or OperationCanceledException or ObjectDisposedException)
            {
                // the client went away
            }
        }
    }

    private static async Task<TestRequest?> ReadRequestAsync(Socket socket, bool isStore)
    {
        var buffer = new byte[16 << 10];
        var length = 0;
        while (!buffer.AsSpan(0, length).EndsWith("\r\n\r\n"u8))
        {
            var read = await socket.ReceiveAsync(buffer.AsMemory(length));
            if (read == 0)
                return null;
            length += read;
        }

        var lines = Encoding.ASCII.GetString(buffer, 0, length).Split("\r\n", StringSplitOptions.RemoveEmptyEntries);
        var first = lines[0].Split(' ');
        var headers = lines.Skip(1).Select(l => l.Split(": ", 2)).ToDictionary(p => p[0].ToLowerInvariant(), p => p[1]);
        return new TestRequest(first[0], first[1], headers, isStore);
    }

    private async Task AnswerAsync(Socket socket, TestRequest request, TestFault fault)
    {
        var (status, headers, content) = fault.Status is { } wrong ? (wrong, [], []) : Answer(request);
        if (fault.Content is not null)
            content = fault.Content;
        if (status == 200 && request.Method == "GET" && request.IsContent && request.From > 0 && !fault.IgnoresRange)
        {
            if (request.From >= content.Length)
            {
                headers["Content-Range"] = $"bytes */{content.Length}";
                (status, content) = (416, []);
            }
            else
            {
                headers["Content-Range"] = $"bytes {request.From}-{content.Length - 1}/{content.Length}";
                (status, content) = (206, content[(int)request.From..]);
            }
        }

        if (!fault.HidesLength)
            headers["Content-Length"] = content.Length.ToString();
        foreach (var (name, value) in fault.Headers)
            headers[name] = value;
        var head = $"HTTP/1.1 {status} Whatever\r\nConnection: close\r\n{string.Concat(headers.Where(h => h.Value.Length > 0).Select(h => $"{h.Key}: {h.Value}\r\n"))}\r\n";
        await SendAsync(socket, Encoding.UTF8.GetBytes(head), bytesPerSecond: 0);
        if (request.Method == "HEAD")
            return;
        if (fault.IsSilentAfterHeaders)
            await socket.ReceiveAsync(new byte[1]);
        await SendAsync(socket, content.AsMemory(0, Math.Min(content.Length, fault.CutAfter ?? int.MaxValue)), BytesPerSecond);
        if (fault.CutAfter is not null)
            socket.Close(0); // a reset, not an end
    }

    private async Task SendAsync(Socket socket, ReadOnlyMemory<byte> bytes, int bytesPerSecond)
    {
        const int TicksPerSecond = 100;
        var step = bytesPerSecond == 0 ? bytes.Length : Math.Max(1, bytesPerSecond / TicksPerSecond);
        for (var at = 0; at < bytes.Length; at += step)
        {
            var part = bytes.Slice(at, Math.Min(step, bytes.Length - at));
            while (part.Length > 0)
                part = part[await socket.SendAsync(part, _stop.Token)..];
            if (bytesPerSecond > 0)
                await Task.Delay(1000 / TicksPerSecond, _stop.Token);
        }
    }

    private (int Status, Dictionary<string, string> Headers, byte[] Content) Answer(TestRequest request)
    {
        var (path, query) = request.Target.Split('?', 2) is [var before, var after] ? (before, after) : (request.Target, "");
        var parts = path.Trim('/').Split('/').Select(Uri.UnescapeDataString).ToArray();
        if (request.IsStore)
        {
            var stored = Repositories.Values.SelectMany(r => r.Files.Values).FirstOrDefault(f => TestRepository.Sha256Of(f) == parts[^1]);
            return stored is null ? (404, [], []) : (200, [], stored);
        }

        return parts switch
        {
            ["api", "models", var org, var name, "revision", var revision] => List(request, $"{org}/{name}", revision),
            ["api", "v1", "models", var org, var name, "repo", "files"] => ListForModelScope($"{org}/{name}"),
            ["api", "v1", "models", var org, var name, "repo"] => Repositories.TryGetValue($"{org}/{name}", out var repository)
                && repository.Files.TryGetValue(Uri.UnescapeDataString(query[(query.IndexOf("FilePath=", StringComparison.Ordinal) + 9)..]), out var file)
                ? (200, [], file) : (404, [], []),
            [var org, var name, "resolve", var commit, .. var file] => Resolve(request, $"{org}/{name}", commit, string.Join('/', file)),
            _ => (404, [], []),
        };
    }

    private (int Status, Dictionary<string, string> Headers, byte[] Content) List(TestRequest request, string id, string revision)
    {
        if (Refusal(request, id) is { } refusal)
            return refusal;
        var repository = Repositories[id];
        if (revision != "main" && revision != "refs/pr/1" && revision != repository.Commit)
            return (404, new() { ["X-Error-Code"] = "RevisionNotFound" }, []);
        var names = repository.Files.Keys.Concat(repository.OtherNames).Select(n => $$"""{"rfilename": "{{JsonEncodedText.Encode(n)}}"}""");
        return (200, [], Encoding.UTF8.GetBytes($$"""{"id": "{{id}}", "sha": "{{repository.Commit}}", "siblings": [{{string.Join(',', names)}}]}"""));
    }

    private (int Status, Dictionary<string, string> Headers, byte[] Content) Resolve(TestRequest request, string id, string commit, string name)
    {
        if (Refusal(request, id) is { } refusal)
            return refusal;
        var repository = Repositories[id];
        if (commit != repository.Commit)
            return (404, new() { ["X-Error-Code"] = "RevisionNotFound" }, []);
        if (!repository.Files.TryGetValue(name, out var content))
            return (404, new() { ["X-Error-Code"] = "EntryNotFound" }, []);
        var etag = $"\"{repository.EtagOf ?? repository.BlobName(name)}\"";
        Dictionary<string, string> headers = new() { ["X-Repo-Commit"] = commit };
        if (content.Length < TestRepository.LargeBytes)
        {
            headers["ETag"] = "W/" + etag;
            return (200, headers, content);
        }

        headers["X-Linked-Etag"] = etag;
        headers["X-Linked-Size"] = content.Length.ToString();
        headers["ETag"] = "\"of the redirect\"";
        headers["Location"] = $"{StoreAddress}/store/{TestRepository.Sha256Of(content)}?signature=secret";
        return (302, headers, []);
    }

    private (int Status, Dictionary<string, string> Headers, byte[] Content)? Refusal(TestRequest request, string id)
    {
        if (!Repositories.TryGetValue(id, out var repository))
            return (request.Token is null ? 401 : 404, new() { ["X-Error-Code"] = "RepoNotFound" }, []);
        if (repository.Token is { } token && request.Token != "Bearer " + token)
            return (401, [], []);
        return repository.IsGated ? (403, new() { ["X-Error-Code"] = "GatedRepo" }, []) : null;
    }

    private (int Status, Dictionary<string, string> Headers, byte[] Content) ListForModelScope(string id)
    {
        if (!Repositories.TryGetValue(id, out var repository))
            return (404, [], []);
        var files = repository.Files.Select(f =>
            $$"""{"Path": "{{f.Key}}", "Name": "{{f.Key}}", "Type": "blob", "Size": {{f.Value.Length}}, "Sha256": "{{TestRepository.Sha256Of(f.Value)}}", "Revision": "r1"}""");
        return (200, [], Encoding.UTF8.GetBytes(
            $$$"""{"Code": 200, "Success": true, "Data": {"Files": [{"Path": "docs", "Type": "tree", "Size": 0}, {{{string.Join(',', files)}}}]}}"""));
    }
}
