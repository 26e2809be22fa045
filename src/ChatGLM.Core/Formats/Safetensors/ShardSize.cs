using System.Globalization;

namespace ChatGLM.Formats;

/// <summary>Sizes as transformers writes them: <c>10GB</c> is 10^10 bytes, <c>10GiB</c> is 10 * 2^30.</summary>
internal static class ShardSize
{
    private static readonly (string Unit, long Bytes)[] Units =
        [("KIB", 1L << 10), ("MIB", 1L << 20), ("GIB", 1L << 30), ("KB", 1000), ("MB", 1_000_000), ("GB", 1_000_000_000)];

    public static long Parse(string text)
    {
        var trimmed = text.AsSpan().Trim();
        foreach (var (unit, bytes) in Units)
        {
            if (trimmed.EndsWith(unit, StringComparison.OrdinalIgnoreCase)
                && long.TryParse(trimmed[..^unit.Length].TrimEnd(), NumberStyles.None, CultureInfo.InvariantCulture, out var count)
                && count > 0 && count <= long.MaxValue / bytes)
            {
                return count * bytes;
            }
        }

        if (long.TryParse(trimmed, NumberStyles.None, CultureInfo.InvariantCulture, out var plain) && plain > 0)
            return plain;
        throw new ArgumentException($"'{text}' is not a size. Give a number of bytes or a text such as '10GB' or '512MiB'.", nameof(text));
    }
}
