namespace ChatGLM.Hub;

/// <summary>What a hub says about a file.</summary>
/// <param name="Name">Its name in the repo.</param>
/// <param name="Etag">What its content is called in the cache.</param>
/// <param name="Size">Its length in bytes.</param>
/// <param name="Checksum">What the etag is a checksum of.</param>
/// <param name="Address">Where to get it.</param>
internal sealed record RemoteFile(string Name, string Etag, long Size, ChecksumKind Checksum, Uri Address);

/// <summary>How the name of a blob tells its content.</summary>
internal enum ChecksumKind
{
    /// <summary>It does not.</summary>
    None,

    /// <summary>It is the SHA-1 that git gives the file.</summary>
    GitSha1,

    /// <summary>It is the SHA-256 of the bytes.</summary>
    Sha256,
}
