namespace ChatGLM.Hub;

/// <summary>What the client needs of a hub. One attempt each: the client tries again what fails with <see cref="TransientHubException"/>.</summary>
internal interface IModelHub
{
    /// <summary>The address that the token may be sent to.</summary>
    Uri Endpoint { get; }

    /// <summary>Puts the token on a request to <see cref="Endpoint"/>.</summary>
    void Authorize(HttpRequestMessage request);

    /// <summary>Finds the commit that a revision names and the files in it.</summary>
    Task<RepositoryInfo> GetRepositoryAsync(HubHttp http, RepositoryId repository, string revision, CancellationToken cancellationToken);

    /// <summary>Finds the length and the checksum of a file.</summary>
    Task<RemoteFile> GetFileAsync(HubHttp http, RepositoryInfo repository, string name, CancellationToken cancellationToken);

    /// <summary>The error that an answer stands for.</summary>
    /// <param name="response">An answer that is neither a success nor a redirect.</param>
    /// <param name="repository">The repo.</param>
    /// <param name="revision">The revision.</param>
    /// <param name="name">The file, if it was about one.</param>
    HubException ErrorOf(HttpResponseMessage response, RepositoryId repository, string revision, string? name);
}
