using System.Buffers;

namespace ChatGLM.Hub;

/// <summary>
/// Brings one file into the cache: takes up what an earlier attempt left, hashes as it goes, and gives the file its name only when length and
/// checksum are right.
/// </summary>
internal sealed class BlobDownloader(HubHttp http, IModelHub hub, HubCache cache, RepositoryInfo repository, RetryPolicy retry, TransferMeter meter)
{
    private const int BufferBytes = 256 << 10;

    /// <summary>Progress of less than this does not earn new attempts, or a server could keep a client for ever, a byte at a time.</summary>
    private const int WorthwhileBytes = 64 << 10;

    private string RepoId => repository.Repository.Text;

    public async Task EnsureAsync(RemoteFile file, CancellationToken cancellationToken)
    {
        if (!cache.HasFile(repository.Commit, file))
        {
            using var held = await cache.LockAsync(file.Etag, cancellationToken).ConfigureAwait(false);
            if (!cache.HasFile(repository.Commit, file)) // another process may have been at it
            {
                var isNew = !cache.HasBlob(file);
                if (isNew)
                    await DownloadAsync(file, cancellationToken).ConfigureAwait(false);
                else
                    meter.Correct(file.Size);
                cache.Place(repository.Commit, file, isNew);
                meter.Complete(file.Name);
                return;
            }
        }

        meter.Correct(file.Size);
        meter.Complete(file.Name);
    }

    private async Task DownloadAsync(RemoteFile file, CancellationToken cancellationToken)
    {
        var incomplete = cache.IncompletePath(file.Etag);
        for (var isSecond = false; ; isSecond = true)
        {
            try
            {
                await FillAsync(file, incomplete, cancellationToken).ConfigureAwait(false);
                File.Move(incomplete, cache.BlobPath(file.Etag), overwrite: true);
                return;
            }
            catch (HubIntegrityException)
            {
                // What an earlier run left may have been wrong; bytes that are wrong from the start will be again.
                meter.Correct(-LengthOf(incomplete));
                File.Delete(incomplete);
                if (isSecond)
                    throw;
            }
        }
    }

    private async Task FillAsync(RemoteFile file, string incomplete, CancellationToken cancellationToken)
    {
        using var hash = new BlobHash(file.Checksum, file.Size);
        var buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            await using var target = new FileStream(
                incomplete, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read, bufferSize: 0, FileOptions.Asynchronous | FileOptions.SequentialScan);
            if (target.Length > file.Size)
                target.SetLength(0);
            while (await target.ReadAsync(buffer, cancellationToken).ConfigureAwait(false) is > 0 and var read)
            {
                hash.Append(buffer.AsSpan(0, read));
                meter.Correct(read);
            }

            await FillAsync(file, target, hash, buffer, cancellationToken).ConfigureAwait(false);
            if (!hash.Matches(file.Etag, out var found))
                throw new HubIntegrityException(RepoId, $"the bytes of '{file.Name}' have the checksum {found}, the hub announced {file.Etag}. Nothing was kept; is there a proxy in between that changes files?");
            target.Flush(flushToDisk: true);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private async Task FillAsync(RemoteFile file, FileStream target, BlobHash hash, byte[] buffer, CancellationToken cancellationToken)
    {
        for (var failures = 0; target.Position < file.Size;)
        {
            var before = target.Position;
            try
            {
                await TransferAsync(file, target, hash, buffer, cancellationToken).ConfigureAwait(false);
            }
            catch (TransientHubException e)
            {
                failures = target.Position - before >= WorthwhileBytes ? 1 : failures + 1;
                await retry.WaitAsync($"downloading '{file.Name}'", e, failures, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private async Task TransferAsync(RemoteFile file, FileStream target, BlobHash hash, byte[] buffer, CancellationToken cancellationToken)
    {
        var from = target.Position;
        using var response = await http.SendAsync(HttpMethod.Get, file.Address, from, stopAt: null, cancellationToken).ConfigureAwait(false);
        switch ((int)response.StatusCode)
        {
            case 206 when response.Content.Headers.ContentRange is { } range && range.From == from && (range.Length is null || range.Length == file.Size):
                break;
            case 200:
                if (from > 0) // the server does not do ranges
                    Rewind(target, hash);
                break;
            case 206 or 416:
                throw WrongLength(file, $"asked for what follows byte {from}, the server answered {(int)response.StatusCode} with the range '{response.Content.Headers.ContentRange}'");
            default:
                throw response.IsSuccessStatusCode
                    ? new HubProtocolException(RepoId, $"the server answered {(int)response.StatusCode} to a request for '{file.Name}'.")
                    : hub.ErrorOf(response, repository.Repository, repository.Revision, file.Name);
        }

        var expected = file.Size - target.Position;
        if (response.Content.Headers.ContentLength is { } length && length != expected)
            throw WrongLength(file, $"{expected} bytes were expected, the server sends {length}");
        using var silence = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        while (await http.ReadAsync(stream, buffer.AsMemory(0, BufferBytes), silence, cancellationToken).ConfigureAwait(false) is > 0 and var read)
        {
            if (read > file.Size - target.Position)
                throw WrongLength(file, $"the server sends more than {file.Size} bytes");
            await target.WriteAsync(buffer.AsMemory(0, read), cancellationToken).ConfigureAwait(false);
            hash.Append(buffer.AsSpan(0, read));
            meter.Add(file.Name, read);
        }

        if (target.Position < file.Size)
            throw new TransientHubException($"the connection ended at byte {target.Position} of {file.Size}");
    }

    private void Rewind(FileStream target, BlobHash hash)
    {
        meter.Correct(-target.Position);
        target.SetLength(0);
        target.Position = 0;
        hash.Restart();
    }

    private HubIntegrityException WrongLength(RemoteFile file, string problem) =>
        new(RepoId, $"'{file.Name}' should have {file.Size} bytes, but {problem}. Nothing was kept; is there a proxy in between that changes files?");

    private static long LengthOf(string path) => new FileInfo(path) is { Exists: true } file ? file.Length : 0;
}
