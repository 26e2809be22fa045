namespace ChatGLM.Models;

/// <summary>How a model is saved.</summary>
public sealed record SaveOptions
{
    /// <summary>The most bytes in a file, as transformers writes it: <c>10GB</c> is 10^10 bytes, <c>10GiB</c> is 10 * 2^30.</summary>
    public string MaxShardSize { get; init; } = "10GB";
}
