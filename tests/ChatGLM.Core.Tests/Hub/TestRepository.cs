using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace ChatGLM.Core.Tests.Hub;

/// <summary>A repo of the test hub.</summary>
internal sealed class TestRepository
{
    /// <summary>Files from this size on are kept in the other store, as LFS files are.</summary>
    public const int LargeBytes = 1000;

    public string Commit { get; set; } = "0123456789abcdef0123456789abcdef01234567";

    public Dictionary<string, byte[]> Files { get; } = new(StringComparer.Ordinal);

    /// <summary>Names that the listing shows beside those of the files.</summary>
    public List<string> OtherNames { get; } = [];

    public bool IsGated { get; init; }

    /// <summary>The token without which the repo is not shown.</summary>
    public string? Token { get; init; }

    /// <summary>What the listing says in place of the real values.</summary>
    public string? EtagOf { get; set; }

    public static TestRepository Random(int seed, params (string Name, int Bytes)[] files)
    {
        var random = new Random(seed);
        var repository = new TestRepository();
        foreach (var (name, bytes) in files)
        {
            var content = new byte[bytes];
            random.NextBytes(content);
            repository.Files[name] = content;
        }

        return repository;
    }

    /// <summary>A configuration and weights in one file.</summary>
    public static TestRepository Small(int weightBytes = 200_000, int seed = 1) =>
        Random(seed, ("config.json", 300), ("generation_config.json", 90), ("model.safetensors", weightBytes), ("README.md", 50));

    public static TestRepository FromFolder(string folder)
    {
        var repository = new TestRepository();
        foreach (var file in Directory.GetFiles(folder))
            repository.Files[Path.GetFileName(file)] = File.ReadAllBytes(file);
        return repository;
    }

    public static string Sha256Of(byte[] content) => Convert.ToHexStringLower(SHA256.HashData(content));

    /// <summary>The name that git gives a file.</summary>
    public static string GitSha1Of(byte[] content) => Convert.ToHexStringLower(
        SHA1.HashData([.. Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"blob {content.Length}\0")), .. content]));

    public string BlobName(string name) => Files[name].Length >= LargeBytes ? Sha256Of(Files[name]) : GitSha1Of(Files[name]);
}
