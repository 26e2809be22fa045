using System.Globalization;

namespace ChatGLM.Tool.Terminal;

/// <summary>Numbers as people read them.</summary>
internal static class Quantity
{
    /// <summary><c>12.3 GB</c>: powers of 1000, as disks and hubs count.</summary>
    public static string Bytes(double bytes)
    {
        string[] units = ["B", "kB", "MB", "GB", "TB"];
        var unit = 0;
        for (; Math.Abs(bytes) >= 999.95 && unit < units.Length - 1; unit++)
            bytes /= 1000;
        return unit == 0 ? Invariant($"{bytes:0} B") : Invariant($"{bytes:0.0} {units[unit]}");
    }

    /// <summary><c>6.24 B</c>, <c>3.5 M</c>: a number of parameters.</summary>
    public static string Count(double count) => count switch
    {
        >= 999.5e6 => Invariant($"{count / 1e9:0.##} B"),
        >= 999.5e3 => Invariant($"{count / 1e6:0.##} M"),
        _ => Invariant($"{count:N0}"),
    };

    /// <summary><c>1:02:05</c>, <c>2:05</c>.</summary>
    public static string Time(TimeSpan time) => time.TotalHours >= 1
        ? Invariant($"{(long)time.TotalHours}:{time.Minutes:00}:{time.Seconds:00}")
        : Invariant($"{time.Minutes}:{time.Seconds:00}");

    /// <summary>An amount of a unit: <c>12.3 MB</c>, <c>1,204 rows</c>.</summary>
    public static string Of(double amount, string unit) => unit == "bytes" ? Bytes(amount) : Invariant($"{amount:N0} {unit}");

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
