namespace ChatGLM.Tools.TrainDemo.Text;

/// <summary>The split: what is never trained on, chosen by a hash of the text, so that it stays the same whatever else is generated.</summary>
internal static class HeldOut
{
    private const uint OneOf = 12;

    /// <summary>What tests and documents rely on is always trained.</summary>
    private static readonly HashSet<string> AlwaysTrained = ["What is the capital of France?", "日本的首都是哪里？", "capital>Japan", "首都>日本"];

    /// <summary>Whether a key belongs to the held-out part, about one in twelve.</summary>
    public static bool Contains(string key) => !AlwaysTrained.Contains(key) && Hash(key) % OneOf == 0;

    /// <summary>FNV-1a over UTF-16, with a final mix because its low bits alone are weak: <see cref="string.GetHashCode()"/> differs from run to run.</summary>
    private static uint Hash(string key)
    {
        var hash = 2166136261u;
        foreach (var c in key)
            hash = (hash ^ c) * 16777619;
        hash ^= hash >> 16;
        hash *= 0x85EBCA6B;
        return hash ^ (hash >> 13);
    }
}
