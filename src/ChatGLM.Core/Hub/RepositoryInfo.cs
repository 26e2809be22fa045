namespace ChatGLM.Hub;

/// <summary>What a hub says about a revision of a repo.</summary>
/// <param name="Repository">The repo.</param>
/// <param name="Revision">What was asked for.</param>
/// <param name="Commit">The commit that it is at.</param>
/// <param name="Files">The files, with what the listing says about them; null where each has to be asked for.</param>
internal sealed record RepositoryInfo(RepositoryId Repository, string Revision, string Commit, IReadOnlyDictionary<string, RemoteFile?> Files);
