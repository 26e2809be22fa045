using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace ChatGLM.Hub;

/// <summary>
/// modelscope.cn. Its listing gives lengths and SHA-256 sums, but no commit: the snapshot is named by a hash over the listing, so that the same
/// files are the same snapshot.
/// </summary>
internal sealed class ModelScopeHub(Uri endpoint, string? token) : IModelHub
{
    public Uri Endpoint { get; } = endpoint;

    public void Authorize(HttpRequestMessage request)
    {
        if (token is null)
            return;
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        request.Headers.Add("Cookie", "m_session_id=" + Uri.EscapeDataString(token)); // older parts of the API look only here
    }

    public async Task<RepositoryInfo> GetRepositoryAsync(HubHttp http, RepositoryId repository, string revision, CancellationToken cancellationToken)
    {
        var address = new Uri(Endpoint, $"api/v1/models/{repository}/repo/files?Revision={Uri.EscapeDataString(revision)}&Recursive=true");
        using var response = await http.SendAsync(HttpMethod.Get, address, from: 0, stopAt: null, cancellationToken).ConfigureAwait(false);
        if (!response.IsSuccessStatusCode)
            throw ErrorOf(response, repository, revision, name: null);
        using var json = await http.ReadJsonAsync(response, cancellationToken).ConfigureAwait(false);
        if (json.RootElement.ValueKind != JsonValueKind.Object || !json.RootElement.TryGetProperty("Data", out var data) || data.ValueKind != JsonValueKind.Object
            || !data.TryGetProperty("Files", out var listed) || listed.ValueKind != JsonValueKind.Array)
        {
            throw new HubProtocolException(repository.Text, $"the listing at {address} lacks 'Data.Files'. Is this the address of a hub?");
        }

        var files = new Dictionary<string, RemoteFile?>(StringComparer.Ordinal);
        foreach (var entry in listed.EnumerateArray())
        {
            if (entry.ValueKind == JsonValueKind.Object && Text(entry, "Path") is { } path && Text(entry, "Type") != "tree")
                files[path] = ReadFile(repository, revision, path, entry);
        }

        return new RepositoryInfo(repository, revision, NameOf(files.Values), files);
    }

    public Task<RemoteFile> GetFileAsync(HubHttp http, RepositoryInfo repository, string name, CancellationToken cancellationToken) =>
        repository.Files.TryGetValue(name, out var file) && file is not null
            ? Task.FromResult(file)
            : throw new HubFileNotFoundException(repository.Repository.Text, $"the revision '{repository.Revision}' has no file '{name}'.");

    public HubException ErrorOf(HttpResponseMessage response, RepositoryId repository, string revision, string? name)
    {
        var status = (int)response.StatusCode;
        return response.StatusCode switch
        {
            HttpStatusCode.NotFound when name is not null => new HubFileNotFoundException(repository.Text, $"the revision '{revision}' has no file '{name}'."),
            HttpStatusCode.NotFound => new RepositoryNotFoundException(
                repository.Text,
                $"there is no folder of this name, and {Endpoint.Host} shows no such repo with a revision '{revision}' (HTTP {status}). Names differ from those on huggingface.co: ZhipuAI/chatglm3-6b is THUDM/chatglm3-6b there."),
            HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden => new HubAccessDeniedException(
                repository.Text, $"{Endpoint.Host} refuses access (HTTP {status}). Give a token in MODELSCOPE_API_TOKEN or HubOptions.Token.", isGated: false),
            _ => new HubProtocolException(repository.Text, $"{Endpoint.Host} answered {status} {response.ReasonPhrase}."),
        };
    }

    private RemoteFile ReadFile(RepositoryId repository, string revision, string path, JsonElement entry)
    {
        if (!entry.TryGetProperty("Size", out var length) || length.ValueKind != JsonValueKind.Number || !length.TryGetInt64(out var size) || size < 0)
            throw new HubProtocolException(repository.Text, $"the listing gives no length of '{path}'.");
        var address = new Uri(Endpoint, $"api/v1/models/{repository}/repo?Revision={Uri.EscapeDataString(revision)}&FilePath={Uri.EscapeDataString(path)}");
        if (Text(entry, "Sha256")?.ToLowerInvariant() is { Length: 64 } sum && sum.All(char.IsAsciiHexDigitLower))
            return new RemoteFile(path, sum, size, ChecksumKind.Sha256, address);
        // Without a checksum the name is what tells one version from another; the last commit that touched the file does.
        var version = string.Create(CultureInfo.InvariantCulture, $"{path}\0{Text(entry, "Revision")}\0{size}");
        return new RemoteFile(path, "unchecked-" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(version))), size, ChecksumKind.None, address);
    }

    private static string NameOf(IEnumerable<RemoteFile?> files)
    {
        var text = new StringBuilder();
        foreach (var file in files.OrderBy(f => f!.Name, StringComparer.Ordinal))
            text.Append(CultureInfo.InvariantCulture, $"{file!.Name}\0{file.Etag}\0{file.Size}\n");
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())))[..40];
    }

    private static string? Text(JsonElement entry, string name) =>
        entry.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
