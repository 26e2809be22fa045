using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;

namespace ChatGLM.Hub;

/// <summary>
/// huggingface.co and its mirrors. A listing gives the commit and the names; each file's length and checksum come with the headers of the file
/// itself, as X-Linked-Size and X-Linked-Etag where it lies in another store.
/// </summary>
internal sealed class HuggingFaceHub(Uri endpoint, string? token) : IModelHub
{
    public Uri Endpoint { get; } = endpoint;

    public void Authorize(HttpRequestMessage request)
    {
        if (token is not null)
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
    }

    public async Task<RepositoryInfo> GetRepositoryAsync(HubHttp http, RepositoryId repository, string revision, CancellationToken cancellationToken)
    {
        var address = new Uri(Endpoint, $"api/models/{repository}/revision/{Uri.EscapeDataString(revision)}");
        using var response = await http.SendAsync(HttpMethod.Get, address, from: 0, stopAt: null, cancellationToken).ConfigureAwait(false);
        if (!response.IsSuccessStatusCode)
            throw ErrorOf(response, repository, revision, name: null);
        using var json = await http.ReadJsonAsync(response, cancellationToken).ConfigureAwait(false);
        var root = json.RootElement;
        if (root.ValueKind != JsonValueKind.Object || !root.TryGetProperty("sha", out var sha) || sha.ValueKind != JsonValueKind.String
            || !root.TryGetProperty("siblings", out var siblings) || siblings.ValueKind != JsonValueKind.Array)
        {
            throw new HubProtocolException(repository.Text, $"the listing at {address} lacks 'sha' or 'siblings'. Is this the address of a hub?");
        }

        var files = new Dictionary<string, RemoteFile?>(StringComparer.Ordinal);
        foreach (var sibling in siblings.EnumerateArray())
        {
            if (sibling.ValueKind == JsonValueKind.Object && sibling.TryGetProperty("rfilename", out var name) && name.ValueKind == JsonValueKind.String)
                files[name.GetString()!] = null;
        }

        return new RepositoryInfo(repository, revision, RequireCommit(repository, sha.GetString()!), files);
    }

    public async Task<RemoteFile> GetFileAsync(HubHttp http, RepositoryInfo repository, string name, CancellationToken cancellationToken)
    {
        var path = string.Join('/', name.Split('/').Select(Uri.EscapeDataString));
        var address = new Uri(Endpoint, $"{repository.Repository}/resolve/{repository.Commit}/{path}");
        using var response = await http.SendAsync(
            HttpMethod.Head, address, from: 0, IsAnswer, cancellationToken).ConfigureAwait(false);
        if (!response.IsSuccessStatusCode && (int)response.StatusCode is not (>= 300 and < 400))
            throw ErrorOf(response, repository.Repository, repository.Revision, name);
        var commit = Header(response, "X-Repo-Commit");
        if (commit is not null && commit != repository.Commit)
            throw Nonsense(repository, name, $"is of the commit '{commit}', though '{repository.Commit}' was asked for");
        var etag = (Header(response, "X-Linked-Etag") ?? Header(response, "ETag"))?.Trim();
        if (etag is null)
            throw Nonsense(repository, name, "comes without an ETag, which its place in the cache depends on");
        if (etag.StartsWith("W/", StringComparison.Ordinal))
            etag = etag[2..];
        etag = etag.Trim('"');
        if (!HubCache.IsBlobName(etag))
            throw Nonsense(repository, name, $"comes with the ETag '{etag}', which cannot be the name of a file");
        var length = Header(response, "X-Linked-Size");
        if (length is null && response.IsSuccessStatusCode)
            length = response.Content.Headers.ContentLength?.ToString(CultureInfo.InvariantCulture);
        if (!long.TryParse(length, NumberStyles.None, CultureInfo.InvariantCulture, out var size))
            throw Nonsense(repository, name, $"comes without a length (found '{length}')");
        return new RemoteFile(name, etag, size, BlobHash.KindOf(etag), address);

        // A redirect within the hub is followed (renamed repos, its own cache) unless it already says all; one to a store must say all.
        bool IsAnswer(HttpResponseMessage redirect, Uri target) =>
            (redirect.Headers.Contains("X-Linked-Etag") && redirect.Headers.Contains("X-Linked-Size")) || !http.IsHome(target);
    }

    public HubException ErrorOf(HttpResponseMessage response, RepositoryId repository, string revision, string? name)
    {
        var code = Header(response, "X-Error-Code");
        var status = (int)response.StatusCode;
        return (code, response.StatusCode) switch
        {
            ("GatedRepo", _) => new HubAccessDeniedException(
                repository.Text,
                $"the repo is gated (HTTP {status}). Accept its conditions at {new Uri(Endpoint, repository.Text)}, then give a token in HF_TOKEN or HubOptions.Token.",
                isGated: true),
            ("RevisionNotFound", _) => new RevisionNotFoundException(repository.Text, $"the repo has no revision '{revision}'. Give a branch, a tag or a whole commit."),
            ("EntryNotFound", _) => MissingFile(),
            ("RepoNotFound", _) => MissingRepository(),
            (_, HttpStatusCode.Unauthorized) when token is not null => new HubAccessDeniedException(
                repository.Text, $"the hub refuses the access token (HTTP {status}). Check HF_TOKEN, HubOptions.Token, or the file that login wrote.", isGated: false),
            (_, HttpStatusCode.Unauthorized) => MissingRepository(),
            (_, HttpStatusCode.Forbidden) => new HubAccessDeniedException(
                repository.Text, $"the hub forbids access (HTTP {status}: {Header(response, "X-Error-Message") ?? "no reason given"}).", isGated: false),
            (_, HttpStatusCode.NotFound) => name is null ? MissingRepository() : MissingFile(),
            _ => new HubProtocolException(repository.Text, $"the hub answered {status} {response.ReasonPhrase} to {response.RequestMessage?.RequestUri?.GetLeftPart(UriPartial.Path)}."),
        };

        HubException MissingRepository() => new RepositoryNotFoundException(
            repository.Text,
            $"there is no folder of this name, and {Endpoint.Host} shows no such repo (HTTP {status}). Check the spelling; a private repo needs a token in HF_TOKEN or HubOptions.Token.");

        HubException MissingFile() => new HubFileNotFoundException(repository.Text, $"the revision '{revision}' has no file '{name}'.");
    }

    private static string? Header(HttpResponseMessage response, string name) =>
        response.Headers.TryGetValues(name, out var values) || response.Content.Headers.TryGetValues(name, out values) ? values.FirstOrDefault() : null;

    private static string RequireCommit(RepositoryId repository, string sha) => sha.Length is 40 or 64 && sha.All(char.IsAsciiHexDigitLower)
        ? sha
        : throw new HubProtocolException(repository.Text, $"the hub names the commit '{sha}'; 40 hexadecimal digits were expected.");

    private static HubProtocolException Nonsense(RepositoryInfo repository, string name, string problem) =>
        new(repository.Repository.Text, $"the file '{name}' {problem}. Is there a proxy in between that changes answers?");
}
