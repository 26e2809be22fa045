using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace ChatGLM.Hub;

/// <summary>Hashes a file as it arrives, the way its etag was made: SHA-256 of the bytes for large files, git's SHA-1 for small ones.</summary>
internal sealed class BlobHash : IDisposable
{
    private readonly IncrementalHash? _hash;
    private readonly long _size;

    public BlobHash(ChecksumKind kind, long size)
    {
        _size = size;
        _hash = kind switch
        {
            ChecksumKind.Sha256 => IncrementalHash.CreateHash(HashAlgorithmName.SHA256),
            ChecksumKind.GitSha1 => IncrementalHash.CreateHash(HashAlgorithmName.SHA1),
            _ => null,
        };
        Kind = kind;
        Begin();
    }

    public ChecksumKind Kind { get; }

    public static ChecksumKind KindOf(string etag) => etag.All(char.IsAsciiHexDigitLower)
        ? etag.Length switch { 64 => ChecksumKind.Sha256, 40 => ChecksumKind.GitSha1, _ => ChecksumKind.None }
        : ChecksumKind.None;

    public void Append(ReadOnlySpan<byte> bytes) => _hash?.AppendData(bytes);

    public void Restart()
    {
        Span<byte> ignored = stackalloc byte[SHA256.HashSizeInBytes];
        _hash?.GetHashAndReset(ignored);
        Begin();
    }


    /// <summary>Whether the bytes so far are those that the etag names; true where it names none.</summary>
    public bool Matches(string etag, out string found)
    {
        found = _hash is null ? etag : Convert.ToHexStringLower(_hash.GetCurrentHash());
        return found == etag;
    }

    public void Dispose() => _hash?.Dispose();

    private void Begin()
    {
        if (Kind == ChecksumKind.GitSha1)
            _hash!.AppendData(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"blob {_size}\0")));
    }
}
