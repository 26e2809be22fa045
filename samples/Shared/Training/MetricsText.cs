using System.Globalization;

namespace ChatGLM.Samples;

/// <summary>Metrics as transformers' <c>log_metrics</c> writes them.</summary>
internal static class MetricsText
{
    public static void Write(TextWriter output, string split, IReadOnlyDictionary<string, double> metrics)
    {
        var rows = metrics.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => (pair.Key, Value: Format(pair.Key, pair.Value))).ToList();
        var (names, values) = (rows.Max(row => row.Key.Length), rows.Max(row => row.Value.Length));
        output.WriteLine($"***** {split} metrics *****");
        foreach (var (name, value) in rows)
            output.WriteLine($"  {name.PadRight(names)} = {value.PadLeft(values)}");
    }

    private static string Format(string name, double value) => name.EndsWith("_runtime", StringComparison.Ordinal)
        ? TimeSpan.FromSeconds(value).ToString(@"h\:mm\:ss\.ff", CultureInfo.InvariantCulture)
        : Math.Round(value, 4).ToString(CultureInfo.InvariantCulture);
}
