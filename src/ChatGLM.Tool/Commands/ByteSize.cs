using System.Globalization;

namespace ChatGLM.Tool.Commands;

/// <summary>Sizes as transformers writes them: <c>10GB</c> is 10^10 bytes, <c>10GiB</c> is 10 * 2^30.</summary>
internal static class ByteSize
{
    private static readonly (string Unit, long Bytes)[] Units =
    [
        ("KIB", 1L << 10), ("MIB", 1L << 20), ("GIB", 1L << 30), ("TIB", 1L << 40), ("KB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000), ("B", 1),
    ];

    /// <summary>The bytes; null if the text is no size above 0.</summary>
    public static long? Parse(string text)
    {
        text = text.Trim().ToUpperInvariant();
        var unit = Units.FirstOrDefault(unit => text.EndsWith(unit.Unit, StringComparison.Ordinal), ("", 1));
        return long.TryParse(text.AsSpan(0, text.Length - unit.Item1.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var count) && count > 0 && count <= long.MaxValue / unit.Item2
            ? count * unit.Item2
            : null;
    }
}
