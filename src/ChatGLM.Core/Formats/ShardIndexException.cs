namespace ChatGLM.Formats;

/// <summary>A shard index (<c>*.index.json</c>) that is damaged, leaves its folder, or does not fit its shards.</summary>
public sealed class ShardIndexException : ChatGLMException
{
    /// <summary>Creates the error.</summary>
    /// <param name="path">The index file.</param>
    /// <param name="problem">What is wrong (key, expected and found) and what to do; follows the path in the message.</param>
    /// <param name="inner">The error underneath, if any.</param>
    public ShardIndexException(string path, string problem, Exception? inner = null)
        : base($"{path}: {ErrorText.Bound(problem)}", inner) => Path = path;

    /// <summary>The index file.</summary>
    public string Path { get; }
}
